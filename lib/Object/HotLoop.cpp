//===- HotLoop.cpp ----------------------------------------------------------------------------===//

#include "muon/Object/HotLoop.h"

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"

#include <utility>

using namespace muon;
using llvm::SmallVector;
using llvm::StringRef;

/// The lines of a function, trimmed; empty where the text has no such label.
static SmallVector<StringRef> linesOf(StringRef assembly, StringRef function) {
  SmallVector<StringRef> lines;
  std::string label = ("\n" + function + ":").str();
  size_t start = assembly.find(label);
  if (start == StringRef::npos)
    return lines;
  StringRef rest = assembly.substr(start + label.size());
  while (!rest.empty()) {
    auto [line, next] = rest.split('\n');
    rest = next;
    line = line.split('#').first.trim();
    if (line.starts_with(".Lfunc_end"))
      break;
    if (!line.empty())
      lines.push_back(line);
  }
  return lines;
}

static bool isMultiplyAdd(StringRef mnemonic) {
  // Without fused multiply-add the multiplication stands for both.
  return mnemonic.starts_with("vfmadd") || mnemonic.starts_with("vdpbf16") || mnemonic.starts_with("tdpbf16") ||
         mnemonic == "mulps" || mnemonic == "vmulps";
}

/// Loads, multiply-adds and spills of a run of lines, not yet per step.
static HotLoop countLines(llvm::ArrayRef<StringRef> lines) {
  HotLoop count;
  for (StringRef line : lines) {
    auto [mnemonic, operands] = line.split('\t');
    operands = operands.trim();
    bool memory = operands.contains('('), stack = operands.contains("(%rsp") || operands.contains("(%rbp");
    bool jump = mnemonic.starts_with("j") || line.ends_with(":") || line.starts_with(".");
    if (jump)
      continue;
    count.multiplyAdds += isMultiplyAdd(mnemonic);
    if (memory && stack && mnemonic != "leaq")
      ++count.spills;
    else if (memory && (mnemonic.contains("broadcast") || operands.contains("{1to")))
      ++count.broadcasts;
    else if (memory && mnemonic.starts_with("movss"))
      ++count.broadcasts;
    else if (memory && !operands.ends_with(")") && (operands.contains("mm")))
      ++count.vectorLoads;
  }
  return count;
}

/// The innermost loop with the most multiply-adds: a label and the last jump back to it.
static HotLoop countLoops(llvm::ArrayRef<StringRef> lines) {
  llvm::StringMap<size_t> labels;
  HotLoop best;
  size_t bestLength = 0;
  for (auto [i, line] : llvm::enumerate(lines)) {
    if (line.ends_with(":"))
      labels[line.drop_back()] = i;
    if (!line.starts_with("j"))
      continue;
    auto target = labels.find(line.split('\t').second.trim());
    if (target == labels.end())
      continue;
    size_t length = i - target->second;
    HotLoop loop = countLines(lines.slice(target->second, length));
    bool denser = loop.multiplyAdds * bestLength > best.multiplyAdds * length;
    if (loop.multiplyAdds && (!bestLength || (denser && loop.multiplyAdds >= best.multiplyAdds)))
      best = loop, bestLength = length;
  }
  return best;
}

static unsigned registerLanes(llvm::ArrayRef<StringRef> lines) {
  unsigned lanes = 4;
  for (StringRef line : lines)
    lanes = std::max(lanes, line.contains("zmm") ? 16u : line.contains("ymm") ? 8u : 4u);
  return lanes;
}

/// Multiply-adds one step of k takes in a micro kernel, told by the register tile in its name.
static double perStep(StringRef function, llvm::ArrayRef<StringRef> lines) {
  unsigned rows, columns;
  auto [name, width] = function.rsplit('x');
  StringRef height = name.rsplit('_').second;
  if (height.getAsInteger(10, rows) || width.getAsInteger(10, columns))
    return 0;
  if (name.contains("tiles"))
    return rows / 16 * (columns / 16);
  return double(rows) * columns / registerLanes(lines);
}

static bool endsBlock(StringRef line) { return line.ends_with(":") || line.starts_with("j"); }

/// The straight runs of lines with the function's tile products: together one step, between whose products stands the
/// body of another tile. That body's addresses may be kept on the stack; only vectors and tiles there are spills.
static HotLoop countTileStep(llvm::ArrayRef<StringRef> lines) {
  SmallVector<StringRef> step;
  for (auto begin = lines.begin(); begin != lines.end();) {
    auto end = std::find_if(std::next(begin), lines.end(), endsBlock);
    auto run = llvm::make_range(begin, end);
    if (llvm::any_of(run, [](StringRef line) { return line.starts_with("tdpbf16"); }))
      llvm::copy_if(run, std::back_inserter(step), [](StringRef line) { return line.contains("mm"); });
    begin = end;
  }
  if (step.empty())
    return {};
  HotLoop count = countLines(step);
  count.unroll = 1;
  return count;
}

HotLoop muon::countHotLoop(StringRef assembly, StringRef function) {
  SmallVector<StringRef> lines = linesOf(assembly, function);
  double step = perStep(function, lines);
  HotLoop best;
  if (step > 0) {
    best = countLoops(lines);
    best.unroll = static_cast<unsigned>(best.multiplyAdds / step);
    if (best.unroll)
      for (double *count : {&best.vectorLoads, &best.broadcasts, &best.multiplyAdds, &best.spills})
        *count /= best.unroll;
    return best;
  }
  best = countTileStep(lines);
  for (StringRef line : lines) {
    if (!line.starts_with("call"))
      continue;
    StringRef callee = line.split('\t').second.trim().split('@').first;
    if (callee == function || !callee.contains('x'))
      continue;
    HotLoop loop = countHotLoop(assembly, callee);
    // Of equal ones the one unrolled most: what ends anywhere goes step by step.
    if (std::pair(loop.multiplyAdds, loop.unroll) > std::pair(best.multiplyAdds, best.unroll))
      best = loop;
  }
  return best;
}
