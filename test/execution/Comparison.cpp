//===- Comparison.cpp -------------------------------------------------------------------------===//

#include "Comparison.h"

#include <gtest/gtest.h>

namespace muon::execution {
namespace {

/// One parameter in float64: all its matrices, or the whole of it where the preset knows no
/// matrices.
struct Shadow {
  Shadow(const Group &group, Trainer &trainer, size_t parameter)
      : reference(group), trainer(trainer), parameter(parameter), whole(group.preset == "rms"),
        second(group.preset == "normuon" || group.preset == "adamuon"), w0(read("weight")), w(w0), m(read("momentum")) {
    v = second ? readMoment() : std::vector<Matrix>(w.size());
  }

  void run() {
    std::vector<Matrix> g = read("gradient");
    for (size_t k = 0; k < w.size(); ++k)
      reference.run(w[k], g[k], m[k], v[k]);
  }

  Difference difference(const std::string &name) {
    std::vector<Matrix> w1 = read("weight");
    for (size_t k = 0; k < w.size(); ++k) {
      w1[k] = w1[k] - w0[k];
      w[k] = w[k] - w0[k];
    }
    return {name, relativeError(joined(w1), joined(w)), relativeError(joined(read("momentum")), joined(m)),
            second ? relativeError(joined(readMoment()), joined(v)) : 0};
  }

private:
  static Matrix joined(const std::vector<Matrix> &matrices) {
    Matrix all;
    for (const Matrix &matrix : matrices)
      all.values.insert(all.values.end(), matrix.values.begin(), matrix.values.end());
    return all;
  }
  std::vector<Matrix> read(const std::string &name) {
    Tensor &tensor = trainer.tensor(parameter, name);
    std::vector<Matrix> matrices;
    for (int64_t k = 0; k < tensor.matrices(); ++k)
      matrices.push_back(tensor.matrix(k));
    return whole ? std::vector<Matrix>{joined(matrices)} : matrices;
  }
  /// One list of numbers per matrix: of a batch, NorMuon's moments are the rows of one tensor.
  std::vector<Matrix> readMoment() {
    std::vector<Matrix> tensor = read("second_moment"), result;
    Matrix all = joined(tensor);
    size_t size = all.values.size() / w.size();
    for (size_t k = 0; k < w.size(); ++k) {
      Matrix own(1, int64_t(size));
      std::copy_n(all.values.begin() + ptrdiff_t(k * size), size, own.values.begin());
      result.push_back(own);
    }
    return result;
  }

  StepReference reference;
  Trainer &trainer;
  size_t parameter;
  bool whole, second;
  std::vector<Matrix> w0, w, m, v;
};

std::string nameOf(const Group &group) {
  std::string name = group.preset;
  for (int64_t size : group.shape)
    name += (name == group.preset ? " " : "x") + std::to_string(size);
  return name;
}

} // namespace

Scalars scalars(double lr, double wd) {
  return {{"lr", lr}, {"wd", wd}, {"mu", 0.95}, {"beta2", 0.9}, {"step", 1}, {"seed", 2}};
}

std::vector<Difference> compare(const Program &program, int steps, Trainer::Options options) {
  std::vector<Difference> differences;
  Trainer trainer(program, options);
  trainer.fill(1, 0.02, 1, 0.5);
  std::vector<Shadow> shadows;
  std::vector<std::string> names;
  for (const Group &group : program.request.groups)
    for (int i = 0; i < group.parameters; ++i) {
      if (trainer.parameters() <= shadows.size())
        return differences; // the program was refused and the test has failed already
      shadows.emplace_back(group, trainer, shadows.size());
      names.push_back(nameOf(group));
    }
  for (int step = 0; step < steps; ++step) {
    for (size_t p = 0; p < shadows.size(); ++p) {
      Tensor &gradient = trainer.gradient(p);
      for (int64_t k = 0; k < gradient.matrices(); ++k) {
        Matrix like = gradient.matrix(k);
        uint64_t seed = 1000 * p + 100 * size_t(step) + size_t(k);
        gradient.set(normal(like.rows, like.columns, seed), k);
      }
      shadows[p].run();
    }
    trainer.run(scalars());
  }
  for (size_t p = 0; p < shadows.size(); ++p)
    differences.push_back(shadows[p].difference(names[p]));
  return differences;
}

std::vector<uint64_t> bitsAfterTwoSteps(const Program &program, Trainer::Options options) {
  Trainer trainer(program, options);
  trainer.fill(3);
  trainer.run(scalars());
  trainer.run(scalars());
  return trainer.bits();
}

std::vector<Matrix> orthogonalize(const Program &program, const std::vector<Matrix> &inputs) {
  Trainer trainer(program);
  std::vector<Matrix> results;
  if (trainer.parameters() != inputs.size()) {
    ADD_FAILURE() << "expected " << inputs.size() << " parameters";
    return results;
  }
  for (size_t p = 0; p < inputs.size(); ++p)
    trainer.gradient(p).set(inputs[p]);
  Scalars row = scalars(1, 0);
  row["mu"] = 0;
  trainer.run(row);
  for (size_t p = 0; p < inputs.size(); ++p)
    results.push_back(-1.0 * trainer.weight(p).matrix());
  return results;
}

} // namespace muon::execution
