//===- KernelTexts.cpp ------------------------------------------------------------------------===//

#include "KernelTexts.h"

using namespace muon;
using namespace muon::test;

std::string test::blendText() {
  return R"(
muon.kernel @blend sweep operands [
    #muon.operand<in, element, plain, f32, none>, #muon.operand<in, element, plain, bf16, none>,
    #muon.operand<in, row, plain, f32, none>, #muon.operand<in, column, plain, f32, none>,
    #muon.operand<out, element, plain, f32, none>, #muon.operand<out, scalar, plain, f64, add>,
    #muon.operand<out, scalar, plain, f64, max>, #muon.operand<out, row, plain, f32, add>]
    scalars ["lr"] [false] coefficients 1 {
^bb0(%x: f32, %d: bf16, %r: f32, %q: f32, %lr: f64, %c: f32):
  %lr32 = arith.truncf %lr : f64 to f32
  %wide = arith.extf %d : bf16 to f32
  %cx = arith.mulf %x, %c : f32
  %ld = arith.mulf %wide, %lr32 : f32
  %s = arith.addf %cx, %ld : f32
  %t = arith.addf %s, %r : f32
  %y = arith.addf %t, %q : f32
  %y64 = arith.extf %y : f32 to f64
  %sq = arith.mulf %y64, %y64 : f64
  muon.yield %y, %sq, %y64, %y : f32, f64, f64, f32
}
)";
}

bool test::isWrittenIn(Dtype dtype, Layout layout) {
  bool tiles = layout == Layout::row_tiles || layout == Layout::column_tiles;
  return tiles ? dtype == Dtype::bf16 : dtype != Dtype::f16 || layout != Layout::plain;
}

std::string test::packText(Dtype type) {
  std::string dtype = word(type), outs, values, types;
  for (Layout layout : kLayouts) {
    if (!isWrittenIn(type, layout))
      continue;
    outs += ", #muon.operand<out, element, " + stringifyLayout(layout).str() + ", " + dtype + ", none>";
    values += (values.empty() ? "%y" : ", %y"), types += (types.empty() ? "" : ", ") + dtype;
  }
  std::string narrow = dtype == "f32" ? "%y = arith.mulf %x, %n : f32\n"
                                      : "%z = arith.mulf %x, %n : f32\n"
                                        "%y = arith.truncf %z : f32 to " +
                                            dtype + "\n";
  return "muon.kernel @pack sweep operands [#muon.operand<in, element, plain, f32, none>, "
         "#muon.operand<in, scalar, plain, f64, add>" +
         outs + "] scalars [] [] coefficients 0 {\n^bb0(%x: f32, %s: f64):\n" + "%n = arith.truncf %s : f64 to f32\n" +
         narrow + "muon.yield " + values + " : " + types + "\n}\n";
}

std::string test::indexText() {
  return R"(
muon.kernel @index sweep operands [#muon.operand<out, element, plain, f32, none>,
    #muon.operand<out, scalar, plain, f64, none>]
    scalars ["beta", "step"] [false, true] coefficients 0 {
^bb0(%beta: f64, %step: i64):
  %i = muon.index 0
  %j = muon.index 1
  %p = muon.parameter
  %same = arith.cmpi eq, %i, %j : i64
  %c32 = arith.constant 32 : i64
  %high = arith.shrui %p, %c32 : i64
  %sum = arith.addi %high, %p : i64
  %low = arith.trunci %sum : i64 to i32
  %value = arith.sitofp %low : i32 to f32
  %power = math.fpowi %beta, %step : f64, i64
  %short = arith.truncf %power : f64 to f32
  %y = arith.select %same, %value, %short : f32
  muon.yield %y, %power : f32, f64
})";
}

static std::string symmetry(Way way) {
  return std::string(way.symmetric ? "symmetric " : "") + (way.square ? "square " : "");
}
Dtype test::packedAs(TargetAttr target, Dtype operands) {
  bool multiplied = target.getIsa() == "amx" || target.getIsa() == "dot";
  return operands == Dtype::bf16 && !multiplied ? Dtype::f32 : operands;
}
bool test::usesTiles(TargetAttr target, Dtype operands) { return operands == Dtype::bf16 && target.getIsa() == "amx"; }

std::string test::productText(TargetAttr target, Way way) {
  std::string packed = word(packedAs(target, way.operands)), operands = word(way.operands);
  auto operand = [](std::string direction, std::string layout, std::string dtype) {
    return "#muon.operand<" + direction + ", element, " + layout + ", " + dtype + ", none>";
  };
  std::string a = usesTiles(target, way.operands) ? "row_tiles" : "rows";
  std::string text = "muon.kernel @product product " + symmetry(way) + "of " + operands + " operands [" +
                     operand("in", a, packed) + ", " + operand("in", "columns", packed) + ", " +
                     operand("in", "plain", "f32") + ", " + operand("in", "columns", packed) + ", " +
                     operand("out", "plain", "f32") + ", " + operand("out", "columns", packed) + ", " +
                     operand("out", "rows", packed);
  bool tiles = usesTiles(target, way.operands);
  if (tiles)
    text += ", " + operand("out", "row_tiles", packed) + ", " + operand("out", "column_tiles", packed);
  text += "] scalars [] [] coefficients 1 {\n^bb0(%d: f32, %e0: " + packed + ", %acc: f32, %c: f32):\n";
  text += packed == "f32" ? "%e = arith.addf %e0, %d : f32\n"
                          : "%e1 = arith.extf %e0 : " + packed + " to f32\n%e = arith.addf %e1, %d : f32\n";
  text += "%ca = arith.mulf %acc, %c : f32\n%y = arith.addf %ca, %e : f32\n";
  bool narrow = isHalf(way.operands);
  text += narrow ? "%n = arith.truncf %y : f32 to " + operands + "\n" : "";
  std::string value = !narrow ? "%y" : packed == operands ? "%n" : "%w";
  if (narrow && packed == "f32")
    text += "%w = arith.extf %n : " + operands + " to f32\n";
  text += "muon.yield %y, " + value + ", " + value + (tiles ? ", " + value + ", " + value : "") + " : f32, " + packed +
          ", " + packed + (tiles ? ", " + packed + ", " + packed : "") + "\n}\n";
  return text;
}

std::string test::productSumText(TargetAttr target, Way way) {
  std::string packed = word(packedAs(target, way.operands)),
              layout = usesTiles(target, way.operands) ? "row_tiles" : "rows";
  std::string text =
      "muon.kernel @product product " + symmetry(way) + "of " + word(way.operands) +
      " operands [#muon.operand<in, element, " + layout + ", " + packed +
      ", none>, #muon.operand<in, element, columns, " + packed + ", none>, #muon.operand<out, element, columns, " +
      packed +
      ", none>, #muon.operand<out, scalar, plain, f64, add>, #muon.operand<out, scalar, plain, f64, max>]"
      " scalars [] [] coefficients 0 {\n^bb0(%x: f32):\n";
  text += packed == "f32" ? "%n = arith.addf %x, %x : f32\n" : "%n = arith.truncf %x : f32 to " + packed + "\n";
  return text + "%w = arith.extf %x : f32 to f64\n%s = arith.mulf %w, %w : f64\nmuon.yield %n, %s, %s : " + packed +
         ", f64, f64\n}\n";
}
