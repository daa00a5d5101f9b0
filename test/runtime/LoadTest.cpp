//===- LoadTest.cpp - refusals, variant choice, queries ---------------------------------------===//

#include "StepProgram.h"

#include "CpuFeatures.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <elf.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>

using testing::HasSubstr;

static muon_handle *handle;

#define EXPECT_REFUSED(code, call, text)                                                                               \
  do {                                                                                                                 \
    EXPECT_EQ(call, code);                                                                                             \
    EXPECT_THAT(muon_error_text(), HasSubstr(text));                                                                   \
    EXPECT_EQ(strchr(muon_error_text(), '\n'), nullptr);                                                               \
  } while (0)

static const muon_program *nothing(uint32_t) { return nullptr; }
static const muon_program *older(uint32_t abi) {
  static muon_program program = {};
  program.abi_version = 2;
  return abi == 2 ? &program : nullptr;
}

TEST(Load, RefusesAnotherAbi) {
  EXPECT_REFUSED(MUON_ERROR_ABI, muon_load(nothing, nullptr, &handle), "answers to no ABI version; this runtime has 3");
  EXPECT_REFUSED(MUON_ERROR_ABI, muon_load(older, nullptr, &handle), "was built for ABI version 2; this runtime has 3");
  EXPECT_EQ(handle, nullptr);
  StepProgram program({{{4, 4}}});
  program.addVariant(Layout::Slab);
  program.program.abi_version = 4;
  EXPECT_REFUSED(MUON_ERROR_ABI, program.load(&handle), "has ABI version 4; this runtime has 3");
}

TEST(Load, RefusesNull) {
  EXPECT_REFUSED(MUON_ERROR_ARGUMENT, muon_load(nullptr, nullptr, &handle), "must not be null");
  EXPECT_REFUSED(MUON_ERROR_ARGUMENT, muon_load(nothing, nullptr, nullptr), "must not be null");
  EXPECT_REFUSED(MUON_ERROR_ARGUMENT, muon_load_library(nullptr, "p", nullptr, &handle), "must not be null");
  muon_unload(nullptr);
  EXPECT_EQ(muon_describe(nullptr), nullptr);
  EXPECT_EQ(muon_variant_in_use(nullptr), nullptr);
  EXPECT_EQ(muon_workers(nullptr), 0u);
  EXPECT_EQ(muon_workspace_size(nullptr), 0u);
}

TEST(Load, Library) {
  ASSERT_EQ(muon_load_library(MUON_TEST_PROGRAM, "descend", nullptr, &handle), MUON_OK) << muon_error_text();
  EXPECT_STREQ(muon_describe(handle)->name, "descend");
  muon_unload(handle);
}

TEST(Load, LibraryRefusals) {
  EXPECT_REFUSED(MUON_ERROR_FILE, muon_load_library("/no/such.so", "p", nullptr, &handle), "cannot open '/no/such.so'");
  EXPECT_REFUSED(MUON_ERROR_FILE, muon_load_library(MUON_TEST_PROGRAM, "ascend", nullptr, &handle),
                 "has no program 'ascend'");
  EXPECT_REFUSED(MUON_ERROR_ABI, muon_load_library(MUON_TEST_PROGRAM, "from_the_future", nullptr, &handle),
                 "has ABI version 4");
}

TEST(Load, ALibraryOfAnotherArchitectureIsNamed) {
  std::ifstream library(MUON_TEST_PROGRAM, std::ios::binary);
  std::string bytes((std::istreambuf_iterator<char>(library)), {});
  uint16_t riscv = EM_RISCV;
  bytes.replace(offsetof(Elf64_Ehdr, e_machine), sizeof riscv, reinterpret_cast<const char *>(&riscv), sizeof riscv);
  std::string path = ::testing::TempDir() + "muon-riscv-" + std::to_string(getpid()) + ".so";
  std::ofstream(path, std::ios::binary) << bytes;
  EXPECT_REFUSED(MUON_ERROR_TARGET, muon_load_library(path.c_str(), "descend", nullptr, &handle),
                 "' is for ELF machine 243, this process for ");
  EXPECT_EQ(handle, nullptr);
  std::remove(path.c_str());
}

TEST(Load, TakesTheMostPreferredVariantThatRuns) {
  StepProgram program({{{4, 4}}});
  program.addVariant(Layout::Slab, "plain", "", 1);
  program.addVariant(Layout::Slab, "better", "", 5);
  program.addVariant(Layout::Slab, "from_the_future", "no_such_feature", 9);
  program.addVariant(Layout::Slab, "good", "", 3);
  ASSERT_EQ(program.load(&handle), MUON_OK) << muon_error_text();
  EXPECT_STREQ(muon_variant_in_use(handle)->target, "better");
  muon_unload(handle);
  ASSERT_EQ(program.load(&handle, 1, /*variant=*/1), MUON_OK) << muon_error_text();
  EXPECT_STREQ(muon_variant_in_use(handle)->target, "plain");
  muon_unload(handle);
}

TEST(Load, NamesTheMissingFeatures) {
  StepProgram program({{{4, 4}}});
  program.addVariant(Layout::Slab, "next", "no_such_feature, neither_this", 0);
  program.addVariant(Layout::Slab, "after", "no_third", 0);
  EXPECT_REFUSED(MUON_ERROR_TARGET, program.load(&handle),
                 "'next' needs no_such_feature, neither_this; 'after' needs no_third");
  EXPECT_REFUSED(MUON_ERROR_TARGET, program.load(&handle, 1, /*variant=*/2), "'after' needs no_third");
  EXPECT_REFUSED(MUON_ERROR_ARGUMENT, program.load(&handle, 1, /*variant=*/3),
                 "variant 3 was asked for; program 'step' has 2");
}

TEST(Load, SkipsVariantsForAGpu) {
  StepProgram program({{{4, 4}}});
  program.addVariant(Layout::Slab, "sm_90a", "", 9);
  program.launches[0][0].function = nullptr;
  EXPECT_REFUSED(MUON_ERROR_TARGET, program.load(&handle), "'sm_90a' is not for a CPU");
  program.addVariant(Layout::Slab, "plain");
  ASSERT_EQ(program.load(&handle), MUON_OK) << muon_error_text();
  EXPECT_STREQ(muon_variant_in_use(handle)->target, "plain");
  muon_unload(handle);
}

TEST(Load, Queries) {
  StepProgram program({{{4, 6}, 3}});
  program.addVariant(Layout::Slab);
  ASSERT_EQ(program.load(&handle, 3), MUON_OK) << muon_error_text();
  EXPECT_EQ(muon_describe(handle), &program.program);
  EXPECT_EQ(muon_workspace_size(handle), 3 * (64 + 2 * 128u)); // slabs: a flag, X and Y
  EXPECT_EQ(muon_workers(handle), 3u);
  muon_unload(handle);
}

TEST(Load, RefusesMalformedPrograms) {
  auto refused = [](auto damage, const char *text) {
    StepProgram program({{{2, 4, 4}, 2}});
    program.addVariant(Layout::Slab);
    damage(program);
    EXPECT_REFUSED(MUON_ERROR_ABI, program.load(&handle), text);
  };
  using P = StepProgram &;
  refused([](P p) { p.program.name = nullptr; }, "the program is malformed: it has no name");
  refused([](P p) { p.program.num_groups = 0; }, "0 groups");
  refused([](P p) { p.program.num_parameters = 3; }, "2 parameters, it says 3");
  refused([](P p) { p.arguments[0][2].dtype = 17; }, "dtype 17");
  refused([](P p) { p.arguments[0][2].rank = 9; }, "rank 9");
  refused([](P p) { p.arguments[0][2].sizes[1] = 0; }, "size 0 on axis 1");
  refused([](P p) { p.arguments[0][2].role = MUON_GRADIENT; }, "2 gradients");
  refused([](P p) { p.groups[0].first_parameter = 1; }, "starts at parameter 1");
  refused([](P p) { p.groups[0].matrices_per_parameter = 0; }, "0 matrices");
  refused([](P p) { p.groups[0].matrices_per_parameter = (uint64_t(1) << 63) + 1; }, "9223372036854775809 matrices");
  refused([](P p) { p.program.num_scalar_sets = 0; }, "scalar set");
  refused([](P p) { p.variants[0].stages = nullptr; }, "variant 'test' has no stages");
  refused([](P p) { p.stages[0][1].launches = nullptr; }, "stage 1 of variant 'test' has no launches");
  refused([](P p) { p.variants[0].num_images = 1; }, "image 0 of variant 'test' is empty");
  refused([](P p) { p.launches[1][0].group = 1; }, "group 1 of 1");
  refused([](P p) { p.launches[1][0].tiles_per_matrix = 0; }, "0 tiles");
  refused([](P p) { p.launches[1][0].item_offset += 4; }, "outside the table");
  refused([](P p) { p.variants[0].items_bytes -= 8; }, "outside the table");
  refused([](P p) { p.launches[1][0].item_bytes -= 8; }, "outside the table");
  refused([](P p) { p.launches[1][0].predicate = 4; }, "i32 operand 4");
  refused([](P p) { p.launches[1][0].predicate = 2; }, "i32 operand 2");
  refused([](P p) { p.launches[1][0].predicate = -7; }, "i32 operand -7");
  refused([](P p) { p.launches[1][0].num_coefficients = 3; }, "kernel 'absorb' has no coefficients");
  refused([](P p) { p.launches[1][0].item_offset = p.launches[0][0].item_offset; }, "' share items");
  refused([](P p) { p.operands[1][0].argument = 4; }, "argument 4 of 4");
  refused([](P p) { p.operands[1][0].row_axis = 3; }, "axes 3, 2");
  refused([](P p) { p.operands[1][0].offset = 16; }, "starts outside 'gradient'");
  refused([](P p) { p.operands[1][0].written = 1; }, "writes 'gradient'");
  refused([](P p) { p.operands[1][2].offset = 1 << 20; }, "outside the workspace");
  refused([](P p) { p.operands[1][2].offset += 1; }, "not aligned to its elements of 4 bytes");
  refused([](P p) { p.operands[1][2].matrix_stride += 2; }, "not aligned to its elements of 4 bytes");
  refused([](P p) { p.operands[1][2].matrix_stride = 0; }, "writes memory that all matrices share");
  for (uint64_t bytes : {UINT64_MAX, UINT64_MAX - 30, uint64_t(1) << 63})
    refused([&](P p) { p.variants[0].scratch_per_worker = bytes; }, "of scratch");
  refused([](P p) { p.operands[1][1].row_axis = 0; }, "all matrices of a parameter share");
}

TEST(CpuFeatures, AgreeWithTheKernel) {
  if (getenv("MUON_LIMIT_ISA"))
    GTEST_SKIP() << "muon-limit-isa hides features from cpuid, not from /proc/cpuinfo";
  FILE *file = fopen("/proc/cpuinfo", "r");
  if (!file)
    GTEST_SKIP() << "no /proc/cpuinfo";
  char line[16384];
  std::string flags;
  while (fgets(line, sizeof line, file))
    if (!strncmp(line, "flags", 5) || !strncmp(line, "Features", 8)) {
      flags = std::string(strchr(line, ':') + 1);
      break;
    }
  fclose(file);
  flags.back() = ' ';
  for (const char *name : {"sse2",        "pni",         "ssse3",    "avx",      "avx2",     "fma",      "f16c",
                           "bmi2",        "abm",         "avx512f",  "avx512bw", "avx512vl", "avx512dq", "avx512_bf16",
                           "avx512_fp16", "avx512_vnni", "avx_vnni", "asimd",    "sve",      "bf16",     "i8mm"})
    EXPECT_EQ(muon::runtime::hasCpuFeature(name, strlen(name)),
              flags.find(" " + std::string(name) + " ") != std::string::npos)
        << name;
  // The kernel may know the tile registers and still refuse them to this process.
  if (flags.find(" amx_tile ") == std::string::npos) {
    EXPECT_FALSE(muon::runtime::hasCpuFeature("amx_tile", 8));
  }
}

TEST(CpuFeatures, ListsWhatIsMissing) {
  muon::runtime::Line missing;
  EXPECT_EQ(muon::runtime::missingCpuFeatures("", missing), 0u);
  EXPECT_EQ(muon::runtime::missingCpuFeatures(nullptr, missing), 0u);
  EXPECT_EQ(muon::runtime::missingCpuFeatures("avx2x,fm", missing), 2u);
  EXPECT_STREQ(missing.text, "avx2x, fm");
}
