//===- HotLoop.cpp ----------------------------------------------------------------------------===//

#include "muon/Object/HotLoop.h"

#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"

#include <tuple>
#include <utility>

using namespace muon;
using llvm::ArrayRef;
using llvm::SmallVector;
using llvm::StringRef;

//===----------------------------------------------------------------------------------------------===//
// What instructions do
//===----------------------------------------------------------------------------------------------===//

namespace {
struct Instruction {
  explicit Instruction(StringRef line) {
    std::tie(mnemonic, operands) = line.split('\t');
    operands = operands.trim();
  }
  StringRef mnemonic, operands;
};

/// How one architecture's assembly is read.
struct Syntax {
  StringRef comment;
  bool (*isJump)(StringRef mnemonic), (*isCall)(StringRef mnemonic);
  bool (*isMultiplyAdd)(StringRef mnemonic);
  void (*countMemory)(Instruction instruction, HotLoop &count);
  /// Letters that a vector register's name has before its number; several names may be one register's.
  ArrayRef<StringRef> registers;
};
} // namespace

static bool jumpsX86(StringRef mnemonic) { return mnemonic.starts_with("j"); }

static bool callsX86(StringRef mnemonic) { return mnemonic.starts_with("call"); }

static bool multipliesX86(StringRef mnemonic) {
  // Without fused multiply-add the multiplication stands for both.
  return mnemonic.starts_with("vfmadd") || mnemonic.starts_with("vdpbf16") || mnemonic.starts_with("tdpbf16") ||
         mnemonic == "mulps" || mnemonic == "vmulps";
}

static void countX86(Instruction instruction, HotLoop &count) {
  auto [mnemonic, operands] = instruction;
  if (!operands.contains('(') || mnemonic == "leaq")
    return;
  if (operands.contains("(%rsp") || operands.contains("(%rbp"))
    ++count.spills;
  else if (mnemonic.contains("broadcast") || operands.contains("{1to") || mnemonic.starts_with("movss"))
    ++count.broadcasts;
  else if (!operands.ends_with(")") && operands.contains("mm"))
    ++count.vectorLoads;
}

static bool jumpsArm(StringRef mnemonic) {
  return mnemonic == "b" || mnemonic.starts_with("b.") || mnemonic.starts_with("cb") || mnemonic.starts_with("tb");
}

static bool callsArm(StringRef mnemonic) { return mnemonic == "bl"; }

static bool multipliesArm(StringRef mnemonic) { return mnemonic.starts_with("fmla"); }

static void countArm(Instruction instruction, HotLoop &count) {
  auto [mnemonic, operands] = instruction;
  bool load = mnemonic.starts_with("ld");
  if (!operands.contains('[') || !(load || mnemonic.starts_with("st")))
    return;
  unsigned moved = mnemonic.starts_with("ldp") || mnemonic.starts_with("stp") ? 2 : 1;
  if (operands.contains("[sp") || operands.contains("[x29"))
    count.spills += moved;
  else if (load && (mnemonic.starts_with("ld1r") || operands.starts_with("s")))
    count.broadcasts += moved;
  else if (load && (operands.starts_with("q") || operands.starts_with("{") || operands.starts_with("z")))
    count.vectorLoads += moved;
}

static constexpr StringRef kRegistersX86[] = {"%xmm", "%ymm", "%zmm"}, kTiles[] = {"%tmm"},
                           kRegistersArm[] = {"v", "q", "s", "z"};
static constexpr Syntax kX86{"#", jumpsX86, callsX86, multipliesX86, countX86, kRegistersX86},
    kArm{"//", jumpsArm, callsArm, multipliesArm, countArm, kRegistersArm},
    kMachArm{";", jumpsArm, callsArm, multipliesArm, countArm, kRegistersArm};

/// How many registers the lines name, each by one of those letters and its number.
static unsigned countRegisters(ArrayRef<StringRef> lines, ArrayRef<StringRef> names) {
  llvm::SmallDenseSet<unsigned, 32> registers;
  for (StringRef line : lines) {
    StringRef operands = Instruction(line).operands;
    for (StringRef name : names)
      for (size_t at = operands.find(name); at != StringRef::npos; at = operands.find(name, at + 1)) {
        StringRef rest = operands.drop_front(at + name.size());
        unsigned number;
        if ((!at || !llvm::isAlnum(operands[at - 1])) && !rest.consumeInteger(10, number))
          registers.insert(number);
      }
  }
  return registers.size();
}

//===----------------------------------------------------------------------------------------------===//
// Functions and loops
//===----------------------------------------------------------------------------------------------===//

/// The lines of a function, trimmed; empty where the text has no such label. Mach-O has an underscore before the name
/// and no label at the end but the next function's.
static SmallVector<StringRef> linesOf(StringRef assembly, StringRef function, const Syntax &syntax) {
  SmallVector<StringRef> lines;
  size_t start = StringRef::npos;
  for (StringRef prefix : {"\n", "\n_"})
    if (std::string label = (prefix + function + ":").str(); (start = assembly.find(label)) != StringRef::npos) {
      start += label.size();
      break;
    }
  if (start == StringRef::npos)
    return lines;
  StringRef rest = assembly.substr(start);
  while (!rest.empty()) {
    auto [line, next] = rest.split('\n');
    rest = next;
    line = line.split(syntax.comment).first.trim();
    if (line.starts_with(".Lfunc_end") || (line.starts_with("_") && line.ends_with(":")))
      break;
    if (!line.empty())
      lines.push_back(line);
  }
  return lines;
}

/// Loads, multiply-adds and spills of a run of lines, not yet per step.
static HotLoop countLines(ArrayRef<StringRef> lines, const Syntax &syntax) {
  HotLoop count;
  for (StringRef line : lines) {
    Instruction instruction(line);
    if (line.ends_with(":") || line.starts_with(".") || syntax.isJump(instruction.mnemonic))
      continue;
    if (syntax.isMultiplyAdd(instruction.mnemonic)) {
      ++count.multiplyAdds;
      count.instruction = instruction.mnemonic.split('.').first.str(); // Mach-O's has the lanes there
    }
    syntax.countMemory(instruction, count);
  }
  count.registers = countRegisters(lines, syntax.registers);
  return count;
}

static StringRef lastOperand(StringRef operands) {
  auto [before, last] = operands.rsplit(',');
  return (last.empty() ? before : last).trim();
}

/// The innermost loop with the most multiply-adds: a label and the last jump back to it.
static HotLoop countLoops(ArrayRef<StringRef> lines, const Syntax &syntax) {
  llvm::StringMap<size_t> labels;
  HotLoop best;
  size_t bestLength = 0;
  for (auto [i, line] : llvm::enumerate(lines)) {
    if (line.ends_with(":"))
      labels[line.drop_back()] = i;
    Instruction jump(line);
    if (!syntax.isJump(jump.mnemonic))
      continue;
    auto target = labels.find(lastOperand(jump.operands));
    if (target == labels.end())
      continue;
    size_t length = i - target->second;
    HotLoop loop = countLines(lines.slice(target->second, length), syntax);
    bool denser = loop.multiplyAdds * bestLength > best.multiplyAdds * length;
    if (loop.multiplyAdds && (!bestLength || (denser && loop.multiplyAdds >= best.multiplyAdds)))
      best = loop, bestLength = length;
  }
  return best;
}

/// Lanes of f32 that the widest vector register of the lines has.
static unsigned registerLanes(ArrayRef<StringRef> lines) {
  unsigned lanes = 4; // NEON's too
  for (StringRef line : lines)
    lanes = std::max(lanes, line.contains("%zmm") ? 16u : line.contains("%ymm") ? 8u : 4u);
  return lanes;
}

/// Multiply-adds one step of k takes in a micro kernel, told by the register tile in its name.
static double perStep(StringRef function, ArrayRef<StringRef> lines) {
  unsigned rows, columns;
  auto [name, width] = function.rsplit('x');
  StringRef height = name.rsplit('_').second;
  if (height.getAsInteger(10, rows) || width.getAsInteger(10, columns))
    return 0;
  if (name.contains("tiles"))
    return rows / 16 * (columns / 16);
  return double(rows) * columns / registerLanes(lines);
}

/// The straight runs of lines with the function's tile products: together one step, between whose products stands the
/// body of another tile. That body's addresses may be kept on the stack; only vectors and tiles there are spills.
static HotLoop countTileStep(ArrayRef<StringRef> lines, const Syntax &syntax) {
  SmallVector<StringRef> step;
  auto endsBlock = [&](StringRef line) { return line.ends_with(":") || syntax.isJump(Instruction(line).mnemonic); };
  for (auto begin = lines.begin(); begin != lines.end();) {
    auto end = std::find_if(std::next(begin), lines.end(), endsBlock);
    auto run = llvm::make_range(begin, end);
    if (llvm::any_of(run, [](StringRef line) { return line.starts_with("tdpbf16"); }))
      llvm::copy_if(run, std::back_inserter(step), [](StringRef line) { return line.contains("mm"); });
    begin = end;
  }
  if (step.empty())
    return {};
  HotLoop count = countLines(step, syntax);
  count.unroll = 1;
  count.registers = countRegisters(step, kTiles);
  return count;
}

static HotLoop countFunction(StringRef assembly, StringRef function, const Syntax &syntax) {
  SmallVector<StringRef> lines = linesOf(assembly, function, syntax);
  double step = perStep(function, lines);
  HotLoop best;
  if (step > 0) {
    best = countLoops(lines, syntax);
    best.unroll = static_cast<unsigned>(best.multiplyAdds / step);
    if (best.unroll)
      for (double *count : {&best.vectorLoads, &best.broadcasts, &best.multiplyAdds, &best.spills})
        *count /= best.unroll;
    return best;
  }
  best = countTileStep(lines, syntax);
  for (StringRef line : lines) {
    Instruction call(line);
    if (!syntax.isCall(call.mnemonic))
      continue;
    StringRef callee = call.operands.split('@').first;
    callee.consume_front("_");
    if (callee == function || !callee.contains('x'))
      continue;
    HotLoop loop = countFunction(assembly, callee, syntax);
    // Of equal ones the one unrolled most: what ends anywhere goes step by step.
    if (std::pair(loop.multiplyAdds, loop.unroll) > std::pair(best.multiplyAdds, best.unroll))
      best = loop;
  }
  return best;
}

bool muon::countsHotLoops(const llvm::Triple &triple) { return triple.isX86() || triple.isAArch64(); }

HotLoop muon::countHotLoop(StringRef assembly, StringRef function, const llvm::Triple &triple) {
  return countFunction(assembly, function, triple.isX86() ? kX86 : triple.isOSBinFormatMachO() ? kMachArm : kArm);
}
