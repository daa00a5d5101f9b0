//===- ObjectTest.cpp - what kernels become ---------------------------------------------------===//

#include "Harness.h"
#include "KernelTexts.h"
#include "muon/Object/HotLoop.h"

#include "llvm/Object/ObjectFile.h"

#include <gtest/gtest.h>

#include <map>

using namespace muon;
using namespace muon::test;

static std::string assemblyOf(const std::string &text, TargetAttr target) {
  llvm::LLVMContext context;
  auto module = compile(text, target, context);
  return llvm::ExitOnError("assembly: ")(compileAssembly(*module, target));
}

static HotLoop hotLoop(const char *name, Dtype operands) {
  TargetAttr chosen = target(name);
  return countHotLoop(assemblyOf(productText(chosen, {name, operands, false}), chosen), "product",
                      llvm::Triple(chosen.getTriple()));
}

TEST(HotLoop, Avx512) {
  for (const char *name : {"x86-64-v4", "skylake-avx512", "znver4", "sapphirerapids"}) {
    HotLoop loop = hotLoop(name, Dtype::f32);
    EXPECT_EQ(loop.vectorLoads, 4) << name; // two panels
    EXPECT_EQ(loop.broadcasts, 6) << name;
    EXPECT_EQ(loop.multiplyAdds, 24) << name;
    EXPECT_EQ(loop.spills, 0) << name;
    EXPECT_EQ(loop.unroll, 4u) << name;
    EXPECT_EQ(loop.instruction, "vfmadd231ps") << name;
    EXPECT_GE(loop.registers, 29u) << name; // 24 sums, 4 vectors of B, a word of A where it is not folded
    EXPECT_LE(loop.registers, 32u) << name;
  }
}

TEST(HotLoop, Avx2) {
  for (const char *name : {"x86-64-v3", "haswell", "znver3"}) {
    HotLoop loop = hotLoop(name, Dtype::f32);
    EXPECT_EQ(loop.vectorLoads, 2) << name;
    EXPECT_EQ(loop.broadcasts, 6) << name;
    EXPECT_EQ(loop.multiplyAdds, 12) << name;
    EXPECT_EQ(loop.spills, 0) << name;
  }
}

TEST(HotLoop, F16) {
  HotLoop loop = hotLoop("sapphirerapids-amx", Dtype::f16);
  EXPECT_EQ(loop.vectorLoads, 4); // two panels
  EXPECT_EQ(loop.broadcasts, 6);
  EXPECT_EQ(loop.multiplyAdds, 24);
  EXPECT_EQ(loop.spills, 0);
}

TEST(HotLoop, PairsAndTiles) {
  HotLoop pairs = hotLoop("znver4", Dtype::bf16);
  EXPECT_EQ(pairs.vectorLoads, 2);
  EXPECT_EQ(pairs.broadcasts, 8);
  EXPECT_EQ(pairs.multiplyAdds, 16);
  EXPECT_EQ(pairs.spills, 0);
  HotLoop tiles = hotLoop("sapphirerapids", Dtype::bf16);
  EXPECT_EQ(tiles.vectorLoads, 4);
  EXPECT_EQ(tiles.multiplyAdds, 4);
  EXPECT_EQ(tiles.spills, 0);
  EXPECT_EQ(tiles.instruction, "tdpbf16ps");
  EXPECT_EQ(tiles.registers, 8u);
}

/// Also fixed vectors of a processor with SVE are NEON's. Without a processor's schedule LLVM keeps a sum on the stack.
TEST(HotLoop, Arm) {
  for (const char *name : {"aarch64", "aarch64+sve", "neoverse-v1", "neoverse-v2", "apple-m1"}) {
    HotLoop loop = hotLoop(name, Dtype::f32);
    EXPECT_EQ(loop.vectorLoads, 4) << name;
    EXPECT_EQ(loop.broadcasts, 6) << name;
    EXPECT_EQ(loop.multiplyAdds, 24) << name;
    EXPECT_EQ(loop.spills, llvm::StringRef(name).starts_with("aarch64") ? 2.5 : 0) << name;
    EXPECT_EQ(loop.unroll, 4u) << name;
    EXPECT_EQ(loop.instruction, "fmla") << name;
    EXPECT_GE(loop.registers, 30u) << name; // 24 sums, 4 vectors of B, 2 words of A
    EXPECT_LE(loop.registers, 32u) << name;
  }
}

TEST(HotLoop, Absent) {
  llvm::Triple x86("x86_64-unknown-linux-gnu");
  EXPECT_EQ(countHotLoop("", "k", x86).unroll, 0u);
  EXPECT_EQ(countHotLoop("\nk:\n\tretq\n.Lfunc_end0:\n", "k", x86).multiplyAdds, 0);
}

/// The first symbol an object needs from outside, "" if none.
static std::string neededBy(const std::string &text, TargetAttr target) {
  llvm::LLVMContext context;
  llvm::ExitOnError check("object: ");
  auto bytes = check(compileObject(*compile(text, target, context), target));
  llvm::MemoryBufferRef buffer(llvm::StringRef(bytes.data(), bytes.size()), "kernels");
  auto object = check(llvm::object::ObjectFile::createObjectFile(buffer));
  for (const llvm::object::SymbolRef &symbol : object->symbols()) {
    std::string name = check(symbol.getName()).str();
    if (check(symbol.getFlags()) & llvm::object::SymbolRef::SF_Undefined && !name.empty())
      return name;
  }
  return "";
}

/// Of the targets that differ in schedule or in instruction set one each.
static std::vector<std::string> differentTargets() {
  std::map<std::tuple<llvm::StringRef, llvm::StringRef, llvm::StringRef>, std::string> targets;
  for (const std::string &name : knownTargets()) {
    TargetAttr chosen = target(name);
    targets.try_emplace({instructionSet(chosen), chosen.getIsa(), chosen.getTriple()}, name);
  }
  std::vector<std::string> names;
  for (auto &[key, name] : targets)
    names.push_back(name);
  return names;
}

/// Objects need nothing: no libm, no memcpy, no bf16 helpers.
TEST(Object, Closed) {
  for (const std::string &name : differentTargets()) {
    TargetAttr chosen = target(name);
    EXPECT_EQ(neededBy(blendText() + packText(Dtype::f32) + indexText() + productText(chosen, {"", Dtype::f32, false}),
                       chosen),
              "")
        << name;
    EXPECT_EQ(neededBy(packText(Dtype::bf16) + productText(chosen, {"", Dtype::bf16, true}), chosen), "") << name;
  }
}

TEST(Object, SchedulesOnOtherMachinesAreClosed) {
  for (const char *machine : {"x86-64-v3", "aarch64"}) {
    TargetAttr chosen = scheduleOn(target("sapphirerapids-amx"), target(machine));
    EXPECT_EQ(neededBy(productText(chosen, {"", Dtype::f16, true}), chosen), "") << machine;
  }
  for (const char *machine : {"x86-64", "x86-64-v3", "aarch64"})
    for (const char *schedule : {"sapphirerapids", "znver4", "x86-64-v3"}) {
      TargetAttr chosen = scheduleOn(target(schedule), target(machine));
      EXPECT_EQ(neededBy(productText(chosen, {"", Dtype::bf16, true}), chosen), "") << schedule << " on " << machine;
    }
}

TEST(Targets, NamesAndFeatures) {
  std::string error = llvm::toString(lookupTarget(&context(), "pentium").takeError());
  EXPECT_NE(error.find("'pentium'"), std::string::npos);
  EXPECT_NE(error.find("the nearest are penryn, "), std::string::npos) << error;
  EXPECT_EQ(error.find('\n'), std::string::npos);
  EXPECT_EQ(target("x86-64-v3").getIsa(), "fma");
  EXPECT_EQ(target("znver4").getIsa(), "dot");
  EXPECT_EQ(target("cooperlake").getIsa(), "fma");
  EXPECT_EQ(target("sapphirerapids").getIsa(), "amx");
  EXPECT_EQ(target("sapphirerapids-amx").getIsa(), "half");
  EXPECT_EQ(requiredFeatures(target("x86-64-v3")),
            (std::vector<std::string>{"pni", "ssse3", "sse4_1", "sse4_2", "popcnt", "movbe", "abm", "bmi1", "bmi2",
                                      "avx", "f16c", "fma", "avx2"}));
  EXPECT_EQ(requiredFeatures(target("znver4")),
            (std::vector<std::string>{"pni",         "ssse3",         "sse4_1",
                                      "sse4_2",      "popcnt",        "movbe",
                                      "abm",         "bmi1",          "bmi2",
                                      "avx",         "f16c",          "fma",
                                      "avx2",        "gfni",          "vaes",
                                      "vpclmulqdq",  "avx512f",       "avx512cd",
                                      "avx512bw",    "avx512dq",      "avx512vl",
                                      "avx512ifma",  "avx512vbmi",    "avx512_vbmi2",
                                      "avx512_vnni", "avx512_bitalg", "avx512_vpopcntdq",
                                      "avx512_bf16"}));
  EXPECT_TRUE(requiredFeatures(target("aarch64")).empty());
  EXPECT_EQ(requiredFeatures(target("aarch64+sve")), (std::vector<std::string>{"asimdhp", "sve"}));
  EXPECT_TRUE(requiredFeatures(target("x86-64")).empty());
}

/// Every 64-bit x86 and every AArch64 processor of LLVM's, and none whose code may use what no machine is asked for.
TEST(Targets, AreWhatLlvmKnows) {
  std::vector<std::string> names = knownTargets();
  EXPECT_GT(names.size(), 150u);
  for (const std::string &name : names) {
    TargetAttr known = target(name);
    EXPECT_NE(instructionSet(known), "") << name;
    for (const char *avoided : {"sse4a", "xop", "fma4", "egpr", "avx10.2", "complxnum", "sha3", "cssc", "sme"})
      EXPECT_FALSE(hasFeature(known, avoided)) << name << ' ' << avoided;
  }
  EXPECT_EQ(instructionSet(target("skylake")), "avx2+fma");
  EXPECT_EQ(instructionSet(target("neoverse-n2")), "sve2");
  EXPECT_EQ(target("aarch64+fp16").getFeatures(), "+fullfp16");
  EXPECT_EQ(target("x86-64-v4").getVector(), target("x86-64-v3+avx512bw+avx512vl").getVector());
}
