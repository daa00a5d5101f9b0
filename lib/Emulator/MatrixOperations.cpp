//===- MatrixOperations.cpp - mma.sync, ldmatrix, stmatrix ------------------------------------===//
//
// Fragment layouts as in the PTX manual ("Matrix fragments for mma.m16n8k8 / m16n8k16"). Sums are in double and rounded
// once; a tensor core's order and truncation are not documented, so compare with a tolerance, or exactly on small
// integers.
//
//===-----------------------------------------------------------------------------------------------------===//

#include "Block.h"
#include "Floats.h"
#include "Operations.h"

#include "llvm/ADT/StringMap.h"

#include <cstring>

namespace muon::emulator {

enum Element : uint32_t { kBf16, kF16, kTf32, kF16Sum };

static float element(uint32_t type, uint32_t word, uint32_t half) {
  auto bits = static_cast<uint16_t>(word >> 16 * half);
  return type == kBf16 ? bf16ToFloat(bits) : f16ToFloat(bits);
}

/// A (16 x depth) and B (depth x 8) from the lanes' registers. operation.a: the type, operation.b: depth.
static void gather(const WarpCall &call, float (&a)[16][16], float (&b)[16][8]) {
  uint32_t type = call.site->operation.a, depth = call.site->operation.b;
  uint32_t perWord = type == kTf32 ? 1 : 2, columns = 4 * perWord; // of A that 4 lanes hold in one register each
  uint32_t registersA = 2 * depth / columns, registersB = depth / columns;
  for (uint32_t lane = 0; lane < 32; ++lane) {
    const uint64_t *arguments = call.arguments[lane];
    uint32_t group = lane / 4, at = lane % 4 * perWord;
    for (uint32_t r = 0; r < registersA + registersB; ++r)
      for (uint32_t half = 0; half < perWord; ++half) {
        auto word = static_cast<uint32_t>(arguments[r]);
        float value = type == kTf32 ? tf32ToFloat(word) : element(type, word, half);
        if (r < registersA)
          a[group + r % 2 * 8][r / 2 * columns + at + half] = value;
        else
          b[(r - registersA) * columns + at + half][group] = value;
      }
  }
}

/// sums += A B. All columns of a row at once, in vectors as wide as the processor's.
__attribute__((target_clones("avx512f", "avx2", "default"))) static void
accumulate(double (&sums)[16][8], const float (&a)[16][16], const float (&b)[16][8], uint32_t depth) {
  for (uint32_t k = 0; k < depth; ++k)
    for (uint32_t row = 0; row < 16; ++row)
      for (uint32_t column = 0; column < 8; ++column)
        sums[row][column] += static_cast<double>(a[row][k]) * b[k][column];
}

static void multiply(const WarpCall &call) {
  uint32_t depth = call.site->operation.b, type = call.site->operation.a;
  float a[16][16], b[16][8];
  double sums[16][8];
  gather(call, a, b);
  uint32_t operands = type == kTf32 ? 3 * depth / 4 : 3 * depth / 8; // registers of A and B
  bool halfSum = type == kF16Sum;
  auto eachSum = [](auto visit) { // visit(lane, i, row, column): element i of the lane's four
    for (uint32_t lane = 0; lane < 32; ++lane)
      for (uint32_t i = 0; i < 4; ++i)
        visit(lane, i, lane / 4 + i / 2 * 8, lane % 4 * 2 + i % 2);
  };
  eachSum([&](uint32_t lane, uint32_t i, uint32_t row, uint32_t column) {
    const uint64_t *c = call.arguments[lane] + operands;
    sums[row][column] = halfSum ? f16ToFloat(static_cast<uint16_t>(c[i / 2] >> i % 2 * 16))
                                : std::bit_cast<float>(static_cast<uint32_t>(c[i]));
  });
  accumulate(sums, a, b, depth);
  eachSum([&](uint32_t lane, uint32_t i, uint32_t row, uint32_t column) {
    auto sum = static_cast<float>(sums[row][column]);
    uint64_t *d = call.results[lane];
    if (!halfSum)
      d[i] = std::bit_cast<uint32_t>(sum);
    else
      d[i / 2] = i % 2 ? d[i / 2] | uint64_t(floatToF16(sum)) << 16 : floatToF16(sum);
  });
  machine().counters.multiplyAdds += 16 * 8 * depth;
}

/// How many accesses the 8 rows of 16 bytes need beyond the first: rows in the same 16 bytes of the 128 the banks span
/// collide.
static uint32_t countConflicts(const uint64_t *rows) {
  uint32_t most = 0;
  for (uint32_t segment = 0; segment < 8; ++segment) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < 8; ++i) {
      bool repeated = false; // the same address is one access
      for (uint32_t j = 0; j < i; ++j)
        repeated |= rows[j] == rows[i];
      count += !repeated && rows[i] / 16 % 8 == segment;
    }
    most = count > most ? count : most;
  }
  return most - 1;
}

static bool isChecked() { return block->launch.checks != MUON_EMULATOR_VALUES; }

/// The addresses of matrix m's rows, which lanes 8m to 8m + 7 hold.
static void rowsOf(const WarpCall &call, uint32_t m, bool write, uint64_t (&rows)[8]) {
  for (uint32_t i = 0; i < 8; ++i) {
    uint32_t lane = 8 * m + i;
    rows[i] = call.arguments[lane][0];
    if (isChecked())
      checkAccess(*call.threads[lane], *call.site, reinterpret_cast<void *>(rows[i]), 16, 16, write, false);
  }
  machine().counters.bankConflicts += countConflicts(rows);
}

/// Where register m of the lane keeps half h: row and column of its matrix.
static void positionOf(uint32_t lane, uint32_t h, bool transposed, uint32_t &row, uint32_t &column) {
  row = transposed ? lane % 4 * 2 + h : lane / 4;
  column = transposed ? lane / 4 : lane % 4 * 2 + h;
}

/// operation.a: matrices; operation.b: transposed.
static void loadMatrices(const WarpCall &call) {
  machine().counters.matrixLoads += call.site->operation.a;
  for (uint32_t m = 0; m < call.site->operation.a; ++m) {
    uint64_t rows[8];
    rowsOf(call, m, false, rows);
    for (uint32_t lane = 0; lane < 32; ++lane) {
      uint16_t halves[2];
      for (uint32_t h = 0; h < 2; ++h) {
        uint32_t row, column;
        positionOf(lane, h, call.site->operation.b, row, column);
        memcpy(&halves[h], reinterpret_cast<void *>(rows[row] + 2 * column), 2);
      }
      call.results[lane][m] = halves[0] | uint32_t(halves[1]) << 16;
    }
  }
}

/// Arguments: the row's address, then a register for each matrix.
static void storeMatrices(const WarpCall &call) {
  for (uint32_t m = 0; m < call.site->operation.a; ++m) {
    uint64_t rows[8];
    rowsOf(call, m, true, rows);
    for (uint32_t lane = 0; lane < 32; ++lane)
      for (uint32_t h = 0; h < 2; ++h) {
        uint32_t row, column;
        positionOf(lane, h, call.site->operation.b, row, column);
        auto half = static_cast<uint16_t>(call.arguments[lane][1 + m] >> 16 * h);
        memcpy(reinterpret_cast<void *>(rows[row] + 2 * column), &half, 2);
      }
  }
}

static std::optional<Operation> findMoveOperation(llvm::StringRef name) {
  Operation operation;
  if (name.consume_front("ldmatrix.sync.aligned.m8n8.x"))
    operation.warp = loadMatrices;
  else if (name.consume_front("stmatrix.sync.aligned.m8n8.x"))
    operation.warp = storeMatrices;
  else
    return std::nullopt;
  if (name.consumeInteger(10, operation.a) || (operation.a != 1 && operation.a != 2 && operation.a != 4))
    return std::nullopt;
  operation.b = name.consume_front(".trans");
  return name == ".b16" ? std::optional(operation) : std::nullopt;
}

std::optional<Operation> findMatrixOperation(llvm::StringRef name) {
  static const llvm::StringMap<std::pair<uint32_t, uint32_t>> multiplications = {
      {"mma.m16n8k16.row.col.bf16", {kBf16, 16}},      {"mma.m16n8k8.row.col.bf16", {kBf16, 8}},
      {"mma.m16n8k16.row.col.f32.f32", {kF16, 16}},    {"mma.m16n8k8.row.col.f32.f32", {kF16, 8}},
      {"mma.m16n8k16.row.col.f16.f16", {kF16Sum, 16}}, {"mma.m16n8k8.row.col.f16.f16", {kF16Sum, 8}},
      {"mma.m16n8k8.row.col.tf32", {kTf32, 8}},        {"mma.m16n8k4.row.col.tf32", {kTf32, 4}}};
  auto found = multiplications.find(name);
  if (found == multiplications.end())
    return findMoveOperation(name);
  Operation operation;
  operation.warp = multiply;
  operation.a = found->second.first;
  operation.b = found->second.second;
  return operation;
}

} // namespace muon::emulator
