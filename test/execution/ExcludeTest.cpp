//===- ExcludeTest.cpp - which names --shapes-from and Python leave out -----------------------===//

#include "muon-c/Compiler.h"

#include <gmock/gmock.h>

namespace {

TEST(Exclude, MatchesAnywhereInTheName) {
  EXPECT_EQ(muon_excludes(muon_default_exclude(), "transformer.wte.weight"), 1);
  EXPECT_EQ(muon_excludes(muon_default_exclude(), "lm_head.weight"), 1);
  EXPECT_EQ(muon_excludes(muon_default_exclude(), "h.0.attn.weight"), 0);
  EXPECT_EQ(muon_excludes("^h\\.[0-3]\\.", "h.3.attn"), 1);
  EXPECT_EQ(muon_excludes("^h\\.[0-3]\\.", "h.4.attn"), 0);
  EXPECT_EQ(muon_excludes("^h\\.[0-3]\\.", "hx3.attn"), 0);
  EXPECT_EQ(muon_excludes("", "anything"), 0);
  EXPECT_STREQ(muon_compiler_error(), "");
}

TEST(Exclude, WhatPosixHasNotIsRefused) {
  EXPECT_EQ(muon_excludes("(", "w"), -1);
  EXPECT_STREQ(muon_compiler_error(), "malformed exclude '(': parentheses not balanced");
  EXPECT_EQ(muon_excludes("h\\.\\d", "h.d"), -1);
  EXPECT_STREQ(
      muon_compiler_error(),
      R"(malformed exclude 'h\.\d': expected a POSIX extended regular expression, got \d (say [0-9] for a digit))");
  EXPECT_EQ(muon_excludes("^a\\\\d", "a\\d"), 1) << "an escaped backslash escapes nothing";
  EXPECT_STREQ(muon_compiler_error(), "");
  EXPECT_EQ(muon_excludes("a\\", "a"), -1);
  EXPECT_STRNE(muon_compiler_error(), "");
}

} // namespace
