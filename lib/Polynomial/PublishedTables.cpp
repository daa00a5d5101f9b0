//===- PublishedTables.cpp - Every published table, as data -----------------------------------===//
//
// Coefficients are facts of the cited publications. A published c = 0 is not stored: the
// row is then a cubic and is evaluated as one.
//
//===----------------------------------------------------------------------===//

#include "muon/Polynomial/Table.h"

#include <algorithm>

namespace muon {
namespace {

using Rows = std::vector<Row>;

/// How many steps a published table may be asked for.
enum class Length {
  any,       ///< one triple, repeated as often as asked
  own,       ///< exactly its rows
  ownOrMore, ///< its rows, then the last one again: it is the limit of the generator
};

struct Published {
  std::string_view name;
  Length length;
  int steps; ///< the authors' number of steps
  Rows rows; ///< one row for Length::any
};

// Functions, not globals: a table may be looked up while another file's globals are initialised.

/// Jordan's hand-tuned triple, KellerJordan/Muon `zeropower_via_newtonschulz5`.
Row jordan() { return {{3.4445, -4.7750, 2.0315}}; }

/// Order-2 fixed point iteration used by modded-nanogpt track 3 (12 steps).
Row simpleQuintic() { return {{2.0, -1.5, 0.5}}; }

/// Order-3 Pade (classical Newton-Schulz of degree 5), e.g. Higham, Functions of Matrices, 8.
Row pade() { return {{15.0 / 8, -10.0 / 8, 3.0 / 8}}; }

/// Classic Newton-Schulz; also what `inverse_root` iterates on.
Row cubic() { return {{1.5, -0.5}}; }

/// Modula's alternative, quoted by facebookresearch/optimizers.
Row modula() { return {{3.0, -16.0 / 5, 6.0 / 5}}; }

/// You Jiacheng, via Cesista; Emerging-Optimizers "quintic", dion's fallback, optax.
Rows you5() {
  return {{{4.0848, -6.8946, 2.9270}},
          {{3.9505, -6.3029, 2.6377}},
          {{3.7418, -5.5913, 2.3037}},
          {{2.8769, -3.1427, 1.2046}},
          {{2.8366, -3.0525, 1.2012}}};
}

/// Polar Express, arXiv 2505.16932: l = 1e-3, cushion 0.02407327424182761, before the safety
/// factor. Row 8 is the limit.
Rows polarExpress() {
  return {{{8.28721201814563, -23.595886519098837, 17.300387312530933}},
          {{4.107059111542203, -2.9478499167379106, 0.5448431082926601}},
          {{3.9486908534822946, -2.908902115962949, 0.5518191394370137}},
          {{3.3184196573706015, -2.488488024314874, 0.51004894012372}},
          {{2.300652019954817, -1.6689039845747493, 0.4188073119525673}},
          {{1.891301407787398, -1.2679958271945868, 0.37680408948524835}},
          {{1.8750014808534479, -1.2500016453999487, 0.3750001645474248}},
          {{1.875, -1.25, 0.375}}};
}

/// Its first five rows, what every user of Polar Express runs, `shrunk` of them divided by s.
Rows fivePolarExpress(size_t shrunk, double s) {
  Rows rows = polarExpress();
  rows.resize(5);
  for (size_t i = 0; i < shrunk; ++i)
    divideArgument(rows[i].c, s);
  return rows;
}

/// modded-nanogpt and dion: l = 1e-3, safety 1.02, cushion 0.02.
Rows nanogpt() {
  return {{{8.156554524902461, -22.48329292557795, 15.878769915207462}},
          {{4.042929935166739, -2.808917465908714, 0.5000178451051316}},
          {{3.8916678022926607, -2.772484153217685, 0.5060648178503393}},
          {{3.285753657755655, -2.3681294933425376, 0.46449024233003106}},
          {{2.3465413258596377, -1.7097828382687081, 0.42323551169305323}}};
}

/// CANS, arXiv 2506.10935: l = 1e-3, no cushion, four digits.
Rows cans() {
  return {{{8.4703, -25.1081, 18.6293}},
          {{4.1828, -3.1087, 0.5806}},
          {{3.9619, -2.9541, 0.5630}},
          {{3.2866, -2.4647, 0.5074}},
          {{2.2737, -1.6447, 0.4162}}};
}

/// Four-row "aol" coefficients of NVIDIA-NeMo/Emerging-Optimizers. Flips sign above 0.884.
Rows aolEmergingOptimizers() {
  return {{{4.0098, -7.0585, 2.4635}},
          {{3.4585, -5.5479, 2.5959}},
          {{2.7573, -3.2939, 1.4254}},
          {{2.7215, -3.0494, 1.3169}}};
}

/// thib-s/flash-newton-schulz HEAD (Turbo-Muon, arXiv 2512.04632).
Rows aolFlash() {
  return {{{4.6051, -9.6552, 5.6769}},
          {{4.7505, -6.0861, 2.1790}},
          {{2.7763, -2.3190, 0.5523}},
          {{2.4231, -2.2861, 0.8193}}};
}

/// DeepSeek-V4: eight of Jordan's steps, then two that settle.
Rows deepseek() {
  Rows rows(8, jordan());
  rows.resize(10, simpleQuintic());
  return rows;
}

/// arXiv 2606.00371, floor 7e-3, c = 0. Flips sign above 1.0035.
Rows cubic5() {
  return {{{3.3656576, -3.3420992}},
          {{2.5744352, -1.4957376}},
          {{2.5368962, -1.4312570}},
          {{2.4418906, -1.2764040}},
          {{2.2230472, -0.9630650}}};
}

/// The two polynomial rows after one rational DWH step, jiha-kim blog 2026-04-05: for [0.248, 1].
Rows hybridDwhTail() {
  return {{{3.824452920237891, -7.181066039236940, 4.513346248799179}},
          {{1.901427287944732, -1.279060386064908, 0.377917707130065}}};
}

/// A user's table in pytorch issue 148819.
Rows torchIssue() {
  return {{{4.01, -9.22, 5.80}},
          {{3.49, -6.38, 3.23}},
          {{3.34, -6.21, 3.20}},
          {{3.64, -7.48, 4.43}},
          {{3.46, -5.35, 2.85}}};
}

/// Sorted by name.
const std::vector<Published> &published() {
  static const std::vector<Published> tables = {
      {"aol_eo", Length::own, 4, aolEmergingOptimizers()},
      {"aol_flash", Length::own, 4, aolFlash()},
      {"cans", Length::own, 5, cans()},
      {"cubic", Length::any, 15, {cubic()}},
      {"cubic5", Length::own, 5, cubic5()},
      {"deepseek_v4", Length::own, 10, deepseek()},
      {"hybrid_dwh_tail", Length::own, 2, hybridDwhTail()},
      {"jordan", Length::any, 5, {jordan()}},
      {"keller", Length::any, 5, {jordan()}},
      {"modula", Length::any, 5, {modula()}},
      {"nanogpt_pe", Length::own, 5, nanogpt()},
      {"pade", Length::any, 5, {pade()}},
      {"polar_express", Length::ownOrMore, 8, polarExpress()},
      // What the paper's code, msign, HeavyBall and (rounded) Emerging-Optimizers run with five
      // steps: all five rows divided, because the code divides every row but the eighth.
      {"polar_express_101", Length::own, 5, fivePolarExpress(5, 1.01)},
      // What the paper's text says: the last row is not divided.
      {"polar_express_101_last_plain", Length::own, 5, fivePolarExpress(4, 1.01)},
      // Gram-Newton-Schulz blog, 1.02 on the first four rows.
      {"polar_express_102", Length::own, 5, fivePolarExpress(4, 1.02)},
      // Gram-Newton-Schulz default, 1.05 on all five rows.
      {"polar_express_105", Length::own, 5, fivePolarExpress(5, 1.05)},
      {"simple_quintic", Length::any, 12, {simpleQuintic()}},
      {"torch_148819", Length::own, 5, torchIssue()},
      {"you5", Length::own, 5, you5()},
  };
  return tables;
}

std::string wrongSteps(const Published &entry, int asked) {
  std::string rows = std::to_string(entry.rows.size());
  std::string message = "table '" + std::string(entry.name) + "' has " + rows + " rows, but " + std::to_string(asked) +
                        " steps were asked for";
  if (entry.length == Length::any)
    return "table '" + std::string(entry.name) + "' needs at least 1 step, but " + std::to_string(asked) +
           " were asked for";
  if (entry.length == Length::ownOrMore)
    return message + "; it may be continued, not cut (polar_express_101 has 5 rows)";
  return message + "; a table is never cycled or cut, generate one of that length instead";
}

} // namespace

TableOrError lookupTable(std::string_view name, std::optional<int> steps) {
  const std::vector<Published> &known = published();
  auto entry = std::find_if(known.begin(), known.end(), [&](const Published &table) { return table.name == name; });
  if (entry == known.end()) {
    std::string error = "unknown table '" + std::string(name) + "'; known tables:";
    for (const Published &table : known)
      error += " " + std::string(table.name);
    return {std::nullopt, error};
  }
  int asked = steps.value_or(entry->steps), own = static_cast<int>(entry->rows.size());
  if (asked > longestTable)
    return {std::nullopt, "expected at most " + std::to_string(longestTable) + " steps, got " + std::to_string(asked)};
  bool fits = entry->length == Length::own ? asked == own : asked >= own;
  if (!fits)
    return {std::nullopt, wrongSteps(*entry, asked)};
  Table table{std::string(entry->name), entry->rows};
  table.rows.resize(asked, entry->rows.back());
  return {table, {}};
}

std::vector<std::string> tableNames() {
  std::vector<std::string> names;
  for (const Published &table : published())
    names.emplace_back(table.name);
  return names;
}

} // namespace muon
