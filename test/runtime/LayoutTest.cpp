//===- LayoutTest.cpp - C and C++ agree on the structs ----------------------------------------===//

#include "StepKernels.h"

#include <cstddef>
#include <gtest/gtest.h>

#define OFFSET(type, member, bytes) static_assert(offsetof(type, member) == bytes, #type "." #member " moved")
#define SIZE(type, bytes) static_assert(sizeof(type) == bytes, #type " changed its size")
#include "Layout.def"

TEST(Layout, HeaderIsC11) { EXPECT_EQ(header_errors_in_c(), 0); }
TEST(Layout, Version) { EXPECT_EQ(muon_abi_version(), MUON_ABI_VERSION); }
