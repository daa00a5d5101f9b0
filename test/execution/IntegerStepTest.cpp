//===- IntegerStepTest.cpp - Whole steps on integers, to the bit ------------------------------===//
//
// Momentum, normalisation, every product and the update on data of which nothing is rounded:
// integers over a power of two. ExactWalk proves that of each case. So programs for a processor and
// for emulated GPUs, in any operand type, form and order of sums, give the weights and momenta of
// the float64 reference, to the bit. Nothing here has run on a GPU.
//
//===----------------------------------------------------------------------===//

#include "ExactWalk.h"
#include "StepReference.h"
#include "Trainer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>
#include <random>

using namespace muon::execution;

namespace {

using Rows = std::vector<std::vector<double>>;
/// One row: P of an operand's bits, of 20, and of 11 for few small numbers; and three rows that
/// take singular values 1/2 to 1, 1/2, 1/4.
const Rows kCubic = {{1.5, -0.5}}, kQuintic = {{2, -1.5, 0.5}}, kSmall = {{1.5, -1, 0.25}};
const Rows kThree = {{3, -4.5, 2}, {1, -1, 0.5}, {1, -2}};

int64_t below(std::mt19937_64 &random, int64_t bound) { return int64_t(random() % uint64_t(bound)); }
double sign(std::mt19937_64 &random) { return random() % 2 ? 1 : -1; }

std::vector<int64_t> shuffled(std::mt19937_64 &random, int64_t count) {
  std::vector<int64_t> order(static_cast<size_t>(count));
  std::iota(order.begin(), order.end(), 0);
  for (int64_t i = count - 1; i > 0; --i)
    std::swap(order[size_t(i)], order[size_t(below(random, i + 1))]);
  return order;
}

/// `lines` random rows of the short side with `perLine` entries ±1 each, whose product is a power
/// of four: the norm is a power of two, R the integer Gram matrix over its square.
Matrix integers(int64_t rows, int64_t columns, int64_t lines, int64_t perLine, std::mt19937_64 &random) {
  bool wide = rows <= columns;
  Matrix x(std::min(rows, columns), std::max(rows, columns));
  std::vector<int64_t> chosen = shuffled(random, x.rows);
  for (int64_t i = 0; i < lines; ++i) {
    std::vector<int64_t> places = shuffled(random, x.columns);
    for (int64_t j = 0; j < perLine; ++j)
      x.at(chosen[size_t(i)], places[size_t(j)]) = sign(random);
  }
  return wide ? x : transpose(x);
}

/// Columns of a Hadamard matrix with random signs: orthogonal, of entries ±1.
Matrix hadamard(int64_t size, int64_t count, std::mt19937_64 &random) {
  Matrix u(size, count);
  std::vector<int64_t> chosen = shuffled(random, size);
  for (int64_t i = 0; i < size; ++i) {
    double flip = sign(random);
    for (int64_t j = 0; j < count; ++j)
      u.at(i, j) = std::popcount(uint64_t(i & chosen[size_t(j)])) % 2 ? -flip : flip;
  }
  return u;
}

/// Four singular values 8, in blocks of a power of two of rows and columns that lie scattered:
/// small integers over powers of two, at every power of X.
Matrix isometry(int64_t rows, int64_t columns, std::mt19937_64 &random) {
  struct Part {
    int64_t rows, columns;
  };
  std::vector<Part> parts;
  for (int64_t down = rows, across = columns; parts.size() < 3 && down && across;) {
    int p = std::bit_width(uint64_t(down)) - 1, q = std::bit_width(uint64_t(across)) - 1;
    if ((p + q) % 2) // entries are ±1 over the root of rows times columns
      --(p > q ? p : q);
    parts.push_back({int64_t(1) << p, int64_t(1) << q});
    down -= parts.back().rows, across -= parts.back().columns;
  }
  if (parts.size() == 2 && std::min(parts[1].rows, parts[1].columns) < 2)
    parts.pop_back();
  const std::vector<std::vector<int64_t>> ranks = {{4}, {2, 2}, {2, 1, 1}};
  Matrix x(rows, columns);
  std::vector<int64_t> rowOrder = shuffled(random, rows), columnOrder = shuffled(random, columns);
  auto row = rowOrder.begin(), column = columnOrder.begin();
  for (size_t number = 0; number < parts.size(); ++number) {
    auto [down, across] = parts[number];
    int64_t rank = ranks[parts.size() - 1][number];
    Matrix part = (8 / std::sqrt(double(down * across))) * hadamard(down, rank, random) *
                  transpose(hadamard(across, rank, random));
    for (int64_t i = 0; i < down; ++i)
      for (int64_t j = 0; j < across; ++j)
        x.at(row[i], column[j]) = part.at(i, j);
    row += down, column += across;
  }
  return x;
}

/// One matrix of a parameter: with mu = 1/2, momentum makes X of G and M.
struct Inputs {
  Matrix x, g, m, w;

  Inputs(const Group &group, int64_t rows, int64_t columns, uint64_t seed) {
    std::mt19937_64 random(seed);
    bool small = group.rows == kSmall;
    int64_t lines = small ? 16 : int64_t(std::bit_floor(uint64_t(std::min(rows, columns))));
    int64_t perLine = small ? 4 : std::bit_width(uint64_t(lines)) % 2 ? 16 : 8;
    x = group.rows == kThree ? isometry(rows, columns, random) : integers(rows, columns, lines, perLine, random);
    g = m = x, w = Matrix(rows, columns);
    for (size_t i = 0; i < x.values.size(); ++i) {
      double apart = double(below(random, 5) - 2);
      g.values[i] += apart, m.values[i] -= 3 * apart;
      w.values[i] = double(below(random, 65) - 32) / 1024;
    }
  }
  /// Turns the sign of one element of X: no norm changes.
  std::pair<int64_t, int64_t> turnOne() {
    auto found = std::find_if(x.values.begin(), x.values.end(), [](double value) { return value != 0; });
    int64_t at = found - x.values.begin();
    m.values[size_t(at)] -= 8 * *found;
    return {at / x.columns, at % x.columns};
  }
};

struct Case {
  std::string chip, dtype, way; ///< way: standard, gram, chain, parts
};

void PrintTo(const Case &c, std::ostream *out) { *out << c.chip << " " << c.dtype << " " << c.way; }

std::vector<Group> groupsOf(const Case &c) {
  std::vector<Group> groups;
  auto add = [&](std::vector<int64_t> shape, const Rows &rows, int parameters = 1) {
    groups.push_back({.shape = std::move(shape), .parameters = parameters, .adjustLr = "none", .rows = rows, .eps = 0});
  };
  add({64, 128}, kThree);
  add({100, 49}, kThree, 2);
  add({3, 40, 72}, kThree);
  if (c.way == "chain")
    return groups;
  add({64, 160}, kCubic);
  add({100, 49}, kCubic);
  add({3, 72, 40}, kCubic);
  if (c.dtype == "f32")
    add({70, 130}, kQuintic);
  else if (c.dtype != "bf16" && c.way == "standard")
    add({40, 72}, kSmall);
  return groups;
}

/// Every tensor of one program, and what they have to be after a step.
class Steps {
public:
  explicit Steps(const Program &program) : trainer(program), groups(program.request.groups) {
    for (const Group &group : groups)
      for (int i = 0; i < group.parameters; ++i) {
        if (inputs.size() == trainer.parameters())
          return; // the program was refused and the test has failed already
        Tensor &tensor = trainer.weight(inputs.size());
        Matrix like = tensor.matrix();
        std::vector<Inputs> &own = inputs.emplace_back();
        for (int64_t k = 0; k < tensor.matrices(); ++k)
          own.emplace_back(group, like.rows, like.columns, 100 * inputs.size() + uint64_t(k));
        groupOf.push_back(&group);
      }
  }

  void step() {
    for (size_t p = 0; p < inputs.size(); ++p)
      for (size_t k = 0; k < inputs[p].size(); ++k) {
        trainer.weight(p).set(inputs[p][k].w, int64_t(k));
        trainer.gradient(p).set(inputs[p][k].g, int64_t(k));
        trainer.momentum(p).set(inputs[p][k].m, int64_t(k));
      }
    trainer.run({{"lr", 0.5}, {"wd", 0.25}, {"mu", 0.5}});
  }

  StepReference reference(size_t p) const {
    StepReference step(*groupOf[p]);
    step.lr = 0.5, step.wd = 0.25, step.mu = 0.5;
    return step;
  }

  void expectReference() {
    for (size_t p = 0; p < inputs.size(); ++p)
      for (size_t k = 0; k < inputs[p].size(); ++k) {
        Matrix w = inputs[p][k].w, m = inputs[p][k].m, moment;
        reference(p).run(w, inputs[p][k].g, m, moment);
        EXPECT_EQ(trainer.weight(p).matrix(int64_t(k)).values, w.values) << "parameter " << p << ", matrix " << k;
        EXPECT_EQ(trainer.momentum(p).matrix(int64_t(k)).values, m.values) << "parameter " << p << ", matrix " << k;
      }
  }

  Trainer trainer;
  const std::vector<Group> &groups;
  std::vector<const Group *> groupOf;
  std::vector<std::vector<Inputs>> inputs;
};

struct IntegerStep : ::testing::TestWithParam<Case> {
  void SetUp() override {
    if (std::string why = whyNotOn(GetParam().chip); !why.empty())
      GTEST_SKIP() << why;
  }
  Request request() const {
    const auto &[chip, dtype, way] = GetParam();
    return {.groups = groupsOf(GetParam()),
            .dtype = dtype,
            .form = way == "standard" ? "standard" : "gram",
            .target = chip,
            .restarts = way == "standard" ? ""
                        : way == "chain"  ? "[2]"
                                          : "[]",
            .pairs = "[]", // fractions, however whole the rows
            .parts = way == "parts" ? 3 : 0,
            .chain = way == "chain"  ? "block"
                     : way == "gram" ? "launches"
                                     : "auto"};
  }
};

/// What the test stands on: of these data no value and no sum is rounded, and O is the published
/// recurrence's.
void expectNothingRounded(const Case &c, const Steps &run) {
  const std::vector<int> restarts = c.way == "chain" ? std::vector<int>{2} : std::vector<int>{};
  for (size_t p = 0; p < run.inputs.size(); ++p)
    for (const Inputs &inputs : run.inputs[p]) {
      Matrix x = (1 / frobenius(inputs.x)) * inputs.x;
      ExactWalk walk(c.dtype, run.groupOf[p]->rows, c.way == "standard" ? nullptr : &restarts);
      EXPECT_EQ(walk.run(x).values, run.reference(p).direction(inputs.x).values) << "parameter " << p;
      EXPECT_EQ(walk.rounded(), "") << "parameter " << p;
    }
}

TEST_P(IntegerStep, EqualsTheReferenceToTheBit) {
  Case c = GetParam();
  Request onHost = request();
  onHost.target = "cpu", onHost.dtype = c.dtype == "bf16" ? "bf16" : "f32";
  onHost.parts = 0, onHost.chain = "auto";
  Program device(request()), host(onHost);
  Steps processor(host), gpu(device);
  ASSERT_EQ(gpu.inputs.size(), gpu.trainer.parameters());
  expectNothingRounded(c, gpu);
  EXPECT_EQ(gpu.trainer.launches("chain") > 0, c.way == "chain");
  processor.step();
  processor.expectReference();
  for (uint64_t schedule : {0, 1, 2}) {
    SCOPED_TRACE(testing::Message() << "schedule " << schedule);
    muonEmulatorSetSchedule(schedule);
    gpu.step();
    gpu.expectReference();
    EXPECT_EQ(gpu.trainer.bits(), processor.trainer.bits());
  }
  // The data matter: one turned sign, which no norm sees, changes other elements of the weight.
  std::vector<Matrix> before;
  std::vector<std::pair<int64_t, int64_t>> turned;
  for (size_t p = 0; p < gpu.inputs.size(); ++p) {
    before.push_back(gpu.trainer.weight(p).matrix());
    turned.push_back(gpu.inputs[p][0].turnOne());
  }
  gpu.step();
  for (size_t p = 0; p < gpu.inputs.size(); ++p) {
    Matrix change = gpu.trainer.weight(p).matrix() - before[p];
    EXPECT_NE(change.at(turned[p].first, turned[p].second), 0) << "parameter " << p;
    change.at(turned[p].first, turned[p].second) = 0;
    EXPECT_NE(frobenius(change), 0) << "parameter " << p;
  }
}

/// Integers whose second step needs more bits than bf16 has.
TEST(ExactWalk, SeesWhatIsRounded) {
  std::mt19937_64 random(1);
  Matrix x = (1.0 / 32) * integers(64, 160, 64, 16, random);
  ExactWalk once("bf16", kCubic, nullptr), more("bf16", kThree, nullptr), whole("f32", kQuintic, nullptr);
  once.run(x), more.run(x), whole.run(x);
  EXPECT_EQ(once.rounded(), "");
  EXPECT_EQ(more.rounded(), "step 0: P has 16 bits, unit 2^-19, in bf16");
  EXPECT_EQ(whole.rounded(), "");
}

std::vector<Case> everyCase() {
  std::vector<Case> cases;
  for (const char *chip : {"sm_80", "sm_120"})
    for (const char *dtype : {"bf16", "f16", "f32", "tf32"})
      for (const char *way : {"standard", "gram", "chain", "parts"})
        cases.push_back({chip, dtype, way});
  return cases;
}
INSTANTIATE_TEST_SUITE_P(Every, IntegerStep, ::testing::ValuesIn(everyCase()), [](const auto &info) {
  return info.param.chip + "_" + info.param.dtype + "_" + info.param.way;
});

} // namespace
