//===- Assembly.cpp ---------------------------------------------------------------------------===//

#include "Assembly.h"

#include "Operations.h"

using namespace llvm;

namespace muon::emulator {

/// Whether the operands appear in the text in ascending order, so that slot i is operand i.
static bool operandsInOrder(StringRef text, unsigned first) {
  unsigned expected = first;
  for (size_t at = text.find('$'); at != StringRef::npos; at = text.find('$', at + 1)) {
    StringRef digits = text.drop_front(at + 1);
    unsigned number = 0;
    if (digits.consumeInteger(10, number) || number > expected)
      return false;
    expected += number == expected;
  }
  return true;
}

/// wgmma.mma_async.sync.aligned.mMnNkK.f32.T.T: "{ setp p, scale-d; wgmma...; }".
static std::optional<Operation> findWgmma(StringRef text) {
  size_t at = text.find("wgmma.mma_async.sync.aligned.m64n");
  if (at == StringRef::npos)
    return std::nullopt;
  StringRef rest = text.drop_front(at + strlen("wgmma.mma_async.sync.aligned.m64n"));
  Operation operation;
  unsigned depth = 0;
  if (rest.consumeInteger(10, operation.b) || !rest.consume_front("k") || rest.consumeInteger(10, depth))
    return std::nullopt;
  StringRef types = rest.substr(0, rest.find(' '));
  // The descriptors must both be operands: A from registers has more.
  if (!types.consume_front(".f32.") ||
      !rest.contains("}, $" + std::to_string(operation.b) + ", $" + std::to_string(operation.b + 1) + ", p"))
    return std::nullopt;
  return findWarpgroupOperation("wgmma." + types.str(), operation.b, depth);
}

std::optional<Operation> findAssembly(StringRef text, unsigned numResults) {
  text = text.trim();
  if (text.contains("wgmma.mma_async"))
    return findWgmma(text);
  if (text.contains("LAB_WAIT") && text.contains("mbarrier.try_wait.parity.shared.b64 P1, [$0], $1, $2"))
    return findMbarrierOperation("mbarrier.wait.parity");
  if (text.starts_with("{") || text.count(';') > 1 || numResults)
    return std::nullopt;
  bool predicated = text.consume_front("@$");
  unsigned predicate = 0;
  if (predicated && text.consumeInteger(10, predicate))
    return std::nullopt;
  text = text.ltrim();
  auto [mnemonic, operands] = text.split(' ');
  if (!operandsInOrder(operands, 0))
    return std::nullopt;
  std::optional<Operation> operation = findMbarrierOperation(mnemonic);
  if (!operation)
    operation = findBulkOperation(mnemonic);
  if (operation && predicated)
    operation->predicateArgument = static_cast<int>(predicate);
  return operation;
}

} // namespace muon::emulator
