//===- ScalarOperations.cpp - arithmetic and conversions of one thread ------------------------===//
//
// Approximate functions are exact here: what a device returns lies within a documented bound of it.
//
//===-------------------------------------------------------------------------------------------------===//

#include "Block.h"
#include "Floats.h"
#include "Operations.h"

namespace muon::emulator {

static float f32(uint64_t slot) { return std::bit_cast<float>(static_cast<uint32_t>(slot)); }
static uint64_t slot(float value) { return std::bit_cast<uint32_t>(value); }
static double f64(uint64_t slot) { return std::bit_cast<double>(slot); }
static uint64_t slot(double value) { return std::bit_cast<uint64_t>(value); }

template <float (*function)(float)> static void unary(Thread &, const Call &call) {
  call.results[0] = slot(function(f32(call.arguments[0])));
}
template <double (*function)(double)> static void unaryDouble(Thread &, const Call &call) {
  call.results[0] = slot(function(f64(call.arguments[0])));
}
template <float (*function)(float, float)> static void binary(Thread &, const Call &call) {
  call.results[0] = slot(function(f32(call.arguments[0]), f32(call.arguments[1])));
}
template <double (*function)(double, double)> static void binaryDouble(Thread &, const Call &call) {
  call.results[0] = slot(function(f64(call.arguments[0]), f64(call.arguments[1])));
}

static float reciprocal(float x) { return 1.0f / x; }
static double reciprocal(double x) { return 1.0 / x; }
static float inverseRoot(float x) { return static_cast<float>(1.0 / std::sqrt(static_cast<double>(x))); }
static double inverseRoot(double x) { return 1.0 / std::sqrt(x); }
static float root(float x) { return std::sqrt(x); }
static double root(double x) { return std::sqrt(x); }
static float power2(float x) { return std::exp2(x); }
static float logarithm2(float x) { return std::log2(x); }
static float sine(float x) { return std::sin(x); }
static float cosine(float x) { return std::cos(x); }
static float absolute(float x) { return std::fabs(x); }
static float saturate(float x) { return x > 0 ? (x < 1 ? x : 1) : 0; }
static float add(float a, float b) { return a + b; }
static double add(double a, double b) { return a + b; }
static float multiply(float a, float b) { return a * b; }
static double multiply(double a, double b) { return a * b; }
static float divide(float a, float b) { return a / b; }
static double divide(double a, double b) { return a / b; }
static float maximum(float a, float b) { return std::fmax(a, b); }
static float minimum(float a, float b) { return std::fmin(a, b); }
static double maximum(double a, double b) { return std::fmax(a, b); }
static double minimum(double a, double b) { return std::fmin(a, b); }

static void fma32(Thread &, const Call &call) {
  call.results[0] = slot(std::fma(f32(call.arguments[0]), f32(call.arguments[1]), f32(call.arguments[2])));
}
static void fma64(Thread &, const Call &call) {
  call.results[0] = slot(std::fma(f64(call.arguments[0]), f64(call.arguments[1]), f64(call.arguments[2])));
}
static void toBf16(Thread &, const Call &call) { call.results[0] = floatToBf16(f32(call.arguments[0])); }
static void toF16(Thread &, const Call &call) { call.results[0] = floatToF16(f32(call.arguments[0])); }
/// The first operand goes to the upper half.
static void toBf16Pair(Thread &, const Call &call) {
  call.results[0] = uint32_t(floatToBf16(f32(call.arguments[0]))) << 16 | floatToBf16(f32(call.arguments[1]));
}
static void toF16Pair(Thread &, const Call &call) {
  call.results[0] = uint32_t(floatToF16(f32(call.arguments[0]))) << 16 | floatToF16(f32(call.arguments[1]));
}
static void toTf32(Thread &, const Call &call) { call.results[0] = floatToTf32(f32(call.arguments[0])); }
static void toTf32Away(Thread &, const Call &call) { call.results[0] = floatToTf32Away(f32(call.arguments[0])); }
static void doubleToFloat(Thread &, const Call &call) {
  call.results[0] = slot(static_cast<float>(f64(call.arguments[0])));
}
static void highWord(Thread &, const Call &call) { call.results[0] = call.arguments[0] >> 32; }
static void lowWord(Thread &, const Call &call) { call.results[0] = static_cast<uint32_t>(call.arguments[0]); }
static void fromWords(Thread &, const Call &call) {
  call.results[0] = call.arguments[1] << 32 | static_cast<uint32_t>(call.arguments[0]);
}
static void highProduct(Thread &, const Call &call) {
  call.results[0] = static_cast<uint32_t>(call.arguments[0]) * uint64_t(static_cast<uint32_t>(call.arguments[1])) >> 32;
}
/// Four bytes of the eight in b:a, chosen by the nibbles of the selector; its upper bit replicates the sign.
static void permuteBytes(Thread &, const Call &call) {
  uint64_t bytes = static_cast<uint32_t>(call.arguments[0]) | call.arguments[1] << 32, selector = call.arguments[2];
  uint32_t result = 0;
  for (int i = 0; i < 4; ++i) {
    uint32_t choice = selector >> 4 * i & 15, byte = bytes >> 8 * (choice & 7) & 0xff;
    if (choice & 8)
      byte = byte & 0x80 ? 0xff : 0;
    result |= byte << 8 * i;
  }
  call.results[0] = result;
}
/// Fences order a thread's own accesses; what others see is ordered by barriers, which the race clocks follow.
static void nothing(Thread &, const Call &) {}
static void trap(Thread &thread, const Call &call) {
  block->stop(Fault::illegal, *call.site, thread, "the kernel trapped");
}

namespace {
struct ScalarOperation {
  llvm::StringLiteral name;
  Operation::ThreadHandler handler;
};
} // namespace

static constexpr ScalarOperation kScalarOperations[] = {
    {"rcp.approx.ftz.f", unary<reciprocal>},
    {"rcp.rn.f", unary<reciprocal>},
    {"rcp.rn.ftz.f", unary<reciprocal>},
    {"rcp.approx.ftz.d", unaryDouble<reciprocal>},
    {"rcp.rn.d", unaryDouble<reciprocal>},
    {"rsqrt.approx.f", unary<inverseRoot>},
    {"rsqrt.approx.ftz.f", unary<inverseRoot>},
    {"rsqrt.approx.d", unaryDouble<inverseRoot>},
    {"rsqrt.approx.ftz.d", unaryDouble<inverseRoot>},
    {"sqrt.f", unary<root>},
    {"sqrt.rn.f", unary<root>},
    {"sqrt.rn.ftz.f", unary<root>},
    {"sqrt.approx.f", unary<root>},
    {"sqrt.approx.ftz.f", unary<root>},
    {"sqrt.rn.d", unaryDouble<root>},
    {"ex2.approx", unary<power2>},
    {"ex2.approx.ftz", unary<power2>},
    {"lg2.approx.f", unary<logarithm2>},
    {"lg2.approx.ftz.f", unary<logarithm2>},
    {"sin.approx.f", unary<sine>},
    {"cos.approx.f", unary<cosine>},
    {"sin.approx.ftz.f", unary<sine>},
    {"cos.approx.ftz.f", unary<cosine>},
    {"fabs", unary<absolute>},
    {"fabs.ftz", unary<absolute>},
    {"saturate.f", unary<saturate>},
    {"add.rn.f", binary<add>},
    {"add.rn.ftz.f", binary<add>},
    {"mul.rn.f", binary<multiply>},
    {"mul.rn.ftz.f", binary<multiply>},
    {"add.rn.d", binaryDouble<add>},
    {"mul.rn.d", binaryDouble<multiply>},
    {"div.rn.d", binaryDouble<divide>},
    {"div.rn.f", binary<divide>},
    {"div.full", binary<divide>},
    {"div.full.ftz", binary<divide>},
    {"div.approx.f", binary<divide>},
    {"div.approx.ftz.f", binary<divide>},
    {"fmax.f", binary<maximum>},
    {"fmin.f", binary<minimum>},
    {"fmax.ftz.f", binary<maximum>},
    {"fmin.ftz.f", binary<minimum>},
    {"fmax.d", binaryDouble<maximum>},
    {"fmin.d", binaryDouble<minimum>},
    {"fma.rn.f", fma32},
    {"fma.rn.ftz.f", fma32},
    {"fma.rn.d", fma64},
    {"f2bf16.rn", toBf16},
    {"f2f16.rn", toF16},
    {"f2h.rn", toF16},
    {"ff2bf16x2.rn", toBf16Pair},
    {"ff2f16x2.rn", toF16Pair},
    {"f2tf32.rn", toTf32},
    {"f2tf32.rna", toTf32Away},
    {"d2f.rn", doubleToFloat},
    {"d2i.hi", highWord},
    {"d2i.lo", lowWord},
    {"lohi.i2d", fromWords},
    {"mulhi.ui", highProduct},
    {"prmt", permuteBytes},
    {"membar.cta", nothing},
    {"membar.gl", nothing},
    {"membar.sys", nothing},
    {"trap", trap},
};

std::optional<Operation> findScalarOperation(llvm::StringRef name) {
  for (const ScalarOperation &known : kScalarOperations)
    if (name == known.name) {
      Operation operation;
      operation.thread = known.handler;
      return operation;
    }
  return std::nullopt;
}

static void unknown(Thread &thread, const Call &call) {
  block->stop(Fault::illegal, *call.site, thread, "operation the emulator does not know");
}

std::optional<Operation> findOperation(llvm::StringRef name) {
  for (auto find : {findScalarOperation, findWarpOperation, findMatrixOperation, findBarrierOperation,
                    findCopyOperation, findMbarrierOperation, findBulkOperation})
    if (std::optional<Operation> found = find(name))
      return found;
  return findWarpgroupOperation(name);
}

extern "C" void muonEmulatorOperation(const Site *site, const uint64_t *arguments, uint64_t *results) {
  Thread &thread = *current;
  const Operation &operation = site->operation;
  Call call = {site, arguments, results};
  if (operation.predicateArgument >= 0 && !(arguments[operation.predicateArgument] & 1))
    return;
  if (operation.thread)
    return operation.thread(thread, call);
  if (operation.warpgroup) {
    thread.call = call;
    return block->meetWarpgroup(thread);
  }
  if (!operation.warp)
    return unknown(thread, call);
  thread.call = call;
  uint32_t lanes = std::min<uint32_t>(32, block->threads.size() - thread.registers.warpid * 32);
  uint32_t all = lanes == 32 ? ~0u : (1u << lanes) - 1;
  if (operation.maskArgument < 0 && lanes < 32)
    block->stop(Fault::illegal, *site, thread, "expected a whole warp, got " + std::to_string(lanes) + " threads");
  thread.mask = operation.maskArgument < 0 ? all : static_cast<uint32_t>(arguments[operation.maskArgument]) & all;
  block->meet(thread);
}

} // namespace muon::emulator
