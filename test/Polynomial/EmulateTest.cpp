//===- EmulateTest.cpp - What rounding does ---------------------------------------------------===//
//
// References: tables.md "What rounding does" and cpu-kernels.md "Numerics", both measured
// with numpy at other sizes and seeds; figures here must have their order of magnitude.
//
//===----------------------------------------------------------------------===//

#include "muon/Polynomial/ChooseForm.h"
#include "muon/Polynomial/Minimax.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <utility>

using namespace muon;

namespace {

const FormChoice standard, oneShot{FormChoice::gram, {}};

EmulationError run(const Table &table, const FormChoice &choice, OperandType type) {
  return emulate(table, choice, type, emulationShortSide, emulationLongSide);
}

Table keller() { return *lookupTable("keller").table; }

/// Largest error over the six spectra tables.md uses.
double worstOfSix(const EmulationError &outcome) {
  std::vector<std::string> names = spectrumNames();
  double worst = 0;
  for (const char *name : {"linear", "log 1e-2", "log 1e-4", "low rank + noise", "power law", "Gauss"})
    worst = std::max(worst, outcome.errors[std::find(names.begin(), names.end(), name) - names.begin()]);
  return worst;
}

void expectWithinFactor(double value, double reference, double factor) {
  EXPECT_GT(value, reference / factor);
  EXPECT_LT(value, reference * factor);
}

TEST(Emulate, ChebyshevCoefficientsAreTheRow) {
  for (const Row &row : {Row{{12.5, -86.2, 251, -300, 123}}, Row{{2, -1.5}}, Row{{6.23, -10.8, 7.86, -2.34}}})
    for (double ceiling : {1.0, 1.97}) {
      std::vector<double> g = chebyshevCoefficients(row, ceiling);
      for (double x : {0.01, 0.5, 0.93, 1.9}) {
        double s = 2 * x * x / (ceiling * ceiling) - 1, last = 1, now = s, sum = g[0];
        for (size_t i = 1; i < g.size(); ++i) {
          sum += g[i] * now;
          last = std::exchange(now, 2 * s * now - last);
        }
        EXPECT_NEAR(x * sum, row.evaluate(x), 1e-9 * (1 + std::abs(row.evaluate(x))));
      }
    }
}

/// What rounds in rows of degree 9 are powers that cancel.
TEST(Emulate, CentredRowsOfDegreeNineAreCloser) {
  Table table = generateMinimax(1e-5, {5, 9, 9, 9, 9, 9, 9}, {.safety = 1.01, .cushion = 0.05});
  double powers = run(table, standard, OperandType::f32).errors.back();
  double centred = run(table, FormChoice{FormChoice::standard, {}, true}, OperandType::f32).errors.back();
  EXPECT_LT(3 * centred, powers);
}

TEST(Emulate, ReportsItsWorstSpectrum) {
  EmulationError outcome = run(keller(), standard, OperandType::bf16);
  std::vector<std::string> names = spectrumNames();
  ASSERT_EQ(outcome.errors.size(), names.size());
  size_t worst = std::max_element(outcome.errors.begin(), outcome.errors.end()) - outcome.errors.begin();
  EXPECT_EQ(outcome.worst, outcome.errors[worst]);
  EXPECT_EQ(outcome.spectrum, names[worst]);
}

TEST(Emulate, HasTheMagnitudesOfTheReference) {
  struct Entry {
    Table table;
    FormChoice choice;
    OperandType type;
    double reference;
  };
  auto minimax = [](std::vector<int> degrees) { return generateMinimax(1e-2, degrees); };
  const FormChoice at2{FormChoice::gram, {2}}, at3{FormChoice::gram, {3}};
  const OperandType f32 = OperandType::f32, bf16 = OperandType::bf16;
  const Entry entries[] = {
      {keller(), standard, f32, 2.0e-5},
      {keller(), oneShot, f32, 2.2e-4},
      {keller(), at3, f32, 2.7e-5},
      {keller(), standard, bf16, 0.32},
      {keller(), at3, bf16, 0.23},
      {minimax({3, 9, 9}), standard, f32, 1.2e-5},
      {minimax({3, 9, 9}), at2, f32, 1.2e-5},
      {minimax({5, 5, 9}), standard, f32, 1.4e-5},
      {minimax({5, 5, 9}), oneShot, f32, 1.4e-4},
      {minimax({5, 5, 9}), standard, bf16, 0.08},
      {minimax({5, 9, 9}), standard, f32, 8.6e-6},
      {minimax({5, 5, 5, 5}), standard, f32, 6.2e-6},
      {minimax({5, 5, 5, 5}), oneShot, f32, 4.3e-4},
      {minimax({5, 5, 5, 5}), at2, f32, 7.3e-6},
  };
  for (const Entry &entry : entries) {
    SCOPED_TRACE(entry.table.name);
    double worst = worstOfSix(run(entry.table, entry.choice, entry.type));
    // The reference keeps a I apart in the gram form too, which is up to ten times less accurate.
    if (entry.choice == standard)
      expectWithinFactor(worst, entry.reference, 5);
    else
      EXPECT_LT(worst, 5 * entry.reference);
  }
}

/// The bars of DESIGN.md for f32, over the whole zoo. The standard form reaches 2.0e-5..2.3e-5
/// for five-step tables however it is computed: normalising in f32 rounds X by 2^-24 of its largest
/// values, and slopes of 500..1000 multiply that. The bar of the emulation is 3e-5 for that reason.
TEST(Emulate, F32StandardForm) {
  for (const char *name : {"keller", "you5", "nanogpt_pe", "polar_express_102", "polar_express_105", "cubic5",
                           "aol_flash", "torch_148819"})
    EXPECT_LE(run(*lookupTable(name).table, standard, OperandType::f32).worst, 3e-5) << name;
}

/// Keller's one-shot gram form in f32 is within 2e-4 only on the spectra without one dominating
/// value; near rank one and heavy tails it is 7e-4: an eigenvalue of R near 1 rounds the small ones
/// by 6e-8, and 485^2 multiplies that. One restart gives 2.5e-5.
TEST(Emulate, F32OneShotGram) {
  EXPECT_LE(run(keller(), {FormChoice::gram, {2}}, OperandType::f32).worst, 5e-5);
  EmulationError outcome = run(keller(), oneShot, OperandType::f32);
  EXPECT_GT(outcome.worst, 2e-4);
  EXPECT_LT(outcome.worst, 2e-3);
  EXPECT_LT(worstOfSix(outcome), 3e-4);
  // Polar Express / 1.05: 4e-3 in DESIGN.md.
  EXPECT_GT(run(*lookupTable("polar_express_105").table, oneShot, OperandType::f32).worst, 1e-3);
}

TEST(Emulate, OneShotGramInBf16IsUseless) {
  EXPECT_GT(run(keller(), oneShot, OperandType::bf16).worst, 1);
  EXPECT_GT(run(keller(), oneShot, OperandType::bf16).singular.upper, 3);
}

TEST(Emulate, F16HasThreeMoreBits) {
  for (FormChoice choice : {standard, FormChoice{FormChoice::gram, {3}}}) {
    double half = run(keller(), choice, OperandType::f16).worst;
    double brain = run(keller(), choice, OperandType::bf16).worst;
    EXPECT_NEAR(brain / half, 8, 4);
  }
}

/// Up to how a I is narrowed: half of it with P(R), which is the better of the two.
TEST(Emulate, AllRestartsAreTheStandardForm) {
  for (OperandType type : {OperandType::f32, OperandType::bf16}) {
    std::vector<double> restarted = run(keller(), {FormChoice::gram, {1, 2, 3, 4}}, type).errors;
    std::vector<double> plain = run(keller(), standard, type).errors;
    for (size_t i = 0; i < plain.size(); ++i) {
      EXPECT_LT(restarted[i], 1.05 * plain[i]);
      EXPECT_GT(restarted[i], 0.5 * plain[i]);
    }
  }
}

TEST(Emulate, RaggedAndTinyShapes) {
  for (auto [n, m] : {std::pair{1, 1}, {1, 300}, {3, 5}, {30, 70}, {33, 33}})
    EXPECT_LT(emulate(keller(), standard, OperandType::f32, n, m).worst, 5e-5) << n << "x" << m;
}

TEST(Emulate, DivergenceIsInfinityNotNan) {
  Table wild{"wild", {{{30, 0, 500}}, {{30, 0, 500}}, {{30, 0, 500}}, {{30, 0, 500}}, {{30, 0, 500}}}};
  EmulationError outcome = run(wild, standard, OperandType::f16);
  EXPECT_EQ(outcome.worst, INFINITY);
  EXPECT_EQ(outcome.singular.upper, INFINITY);
}

/// A matrix of norm 1 narrowed to bf16 has a singular value of up to 1 + 2^-8; tables without a
/// safety factor end at 1. The domain check of a half-precision request must therefore ask
/// beyond 1.
TEST(Emulate, TablesWithoutSafetyBreakWhenXIsNarrowed) {
  for (const char *name : {"cans", "polar_express"}) {
    Table table = *lookupTable(name).table;
    EXPECT_EQ(checkDomain(table, 1), "");
    EXPECT_NE(checkDomain(table, 1 + 0x1p-8), "");
    double upper = 0;
    for (auto [n, m] : {std::pair{64, 128}, {96, 192}, {64, 64}})
      upper = std::max(upper, emulate(table, standard, OperandType::bf16, n, m).singular.upper);
    EXPECT_GT(upper, 2) << name;
  }
  EXPECT_EQ(checkDomain(*lookupTable("polar_express_101").table, 1 + 0x1p-8), "");
}

/// The experiment that fixes c = 5 in widenBand: every published table that is sound up to 1.003,
/// in the standard form, at three sizes and three operand types. The largest c any of them needs
/// is 4.9 (cubic5, lower end, bf16); quintics need at most 1.8.
TEST(RoundingTerm, HoldsForEveryPublishedTableWithRoomAboveOne) {
  int checked = 0;
  for (const std::string &name : tableNames()) {
    Table table = *lookupTable(name).table;
    if (!checkDomain(table, 1.003).empty())
      continue;
    for (OperandType type : {OperandType::f32, OperandType::bf16, OperandType::f16})
      for (auto [n, m] : {std::pair{64, 128}, {96, 192}, {64, 64}}) {
        EmulationError outcome = emulate(table, standard, type, n, m);
        Band served = computeBand(table, servedFloor(type));
        Band allowed = widenBand({served.lower, computeBand(table, 0).upper}, type, table.steps());
        EXPECT_LE(outcome.singular.upper, allowed.upper) << name << " " << n << "x" << m;
        EXPECT_GE(outcome.singular.lower, allowed.lower) << name << " " << n << "x" << m;
        ++checked;
      }
  }
  EXPECT_GE(checked, 9 * 15);
}

/// Sums of f16 in runs lose less than bf16 operands do on the worst spectrum, on others hardly more, and more than f16
/// operands with sums of f32.
TEST(Emulate, F16SumsAreBetweenF16AndBf16) {
  for (const char *name : {"keller", "pade", "polar_express_105", "nanogpt_pe", "cubic5", "you5"}) {
    SCOPED_TRACE(name);
    Table table = *lookupTable(name).table;
    EXPECT_TRUE(f16SumsSuffice(table));
    EmulationError inF16 = run(table, standard, OperandType::f16Sums), inBf16 = run(table, standard, OperandType::bf16);
    EXPECT_LT(inF16.worst, inBf16.worst / 2);
    EXPECT_GT(inF16.worst, run(table, standard, OperandType::f16).worst);
    for (size_t i = 0; i < inF16.errors.size(); ++i)
      EXPECT_LT(inF16.errors[i], (name == std::string("keller") ? 1 : 1.26) * inBf16.errors[i]) << spectrumNames()[i];
  }
}

/// numpy, runs of 32 pairs in f16 with every addition rounded, 128x512 (f16 sums, bf16): Gauss 0.0055, 0.0116; linear
/// 0.0063, 0.0199; power law 0.0049, 0.0175.
TEST(Emulate, F16SumsAgreeWithNumpy) {
  EmulationError inF16 = emulate(keller(), standard, OperandType::f16Sums, 128, 512);
  std::vector<std::string> names = spectrumNames();
  auto errorOn = [&](const char *name) {
    return inF16.errors[std::find(names.begin(), names.end(), name) - names.begin()];
  };
  expectWithinFactor(errorOn("Gauss"), 0.0055, 1.5);
  expectWithinFactor(errorOn("linear"), 0.0063, 1.5);
  expectWithinFactor(errorOn("power law"), 0.0049, 1.5);
}

/// A slope of 300 makes operands and products of up to 300: within f16, but beyond 2^16 / f16Scale^2.
TEST(Emulate, F16SumsBeyondTheirRangeAreInfinite) {
  Table steep{"steep", {Row{{300, -300}}}};
  EXPECT_TRUE(std::isinf(run(steep, standard, OperandType::f16Sums).worst));
  EXPECT_TRUE(std::isfinite(run(steep, standard, OperandType::f16).worst));
  EXPECT_FALSE(f16SumsSuffice(steep));
}

} // namespace
