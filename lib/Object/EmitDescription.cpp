//===- EmitDescription.cpp - a planned module as the runtime's constant structs ---------------===//

#include "muon/Object/EmitDescription.h"

#include "ConstantStructs.h"
#include "muon/IR/DiscardableAttributes.h"
#include "muon/IR/LaunchSizes.h"
#include "muon/IR/StepFunction.h"
#include "muon/Object/PlanIndex.h"
#include "muon_runtime.h"

#include "llvm/ADT/MapVector.h"
#include "llvm/IR/IRBuilder.h"

using namespace mlir;
using namespace muon;

namespace {
/// A step function with the parameters of all its muon.use: a group of the description.
struct GroupInfo {
  func::FuncOp function;
  SmallVector<StringRef> parameters;
  SmallVector<int64_t> sets;
  int64_t matrices = 1, firstParameter = 0;
};

/// All groups of a module, and the scalar sets of their parameters by name.
struct Groups {
  explicit Groups(ModuleOp planned);

  SmallVector<GroupInfo> groups;
  llvm::StringMap<int64_t> numbers; ///< in `groups`, by the function's name
  llvm::MapVector<StringRef, int64_t> sets;
  int64_t numParameters = 0;
};

class Describer : Groups {
public:
  Describer(llvm::Module &module, StringRef name, ArrayRef<DescribedVariant> variants)
      : Groups(variants.front().planned), module(module), name(name), variants(variants), c(module) {}
  void emit();

private:
  llvm::Constant *describeArgument(StringRef name, uint32_t role, Type type);
  llvm::Constant *describeGroup(GroupInfo &group);
  llvm::Constant *describeOperand(PlaceAttr place, OperandAttr operand);
  llvm::Constant *describeLaunch(const DescribedVariant &variant, KernelOp kernel, LaunchOp launch, uint64_t &items);
  llvm::Constant *describeVariant(const DescribedVariant &variant);
  void emitQuery(llvm::Constant *program);

  llvm::Module &module;
  StringRef name;
  ArrayRef<DescribedVariant> variants;
  ConstantStructs c;
};
} // namespace

static_assert(mostDimensions == MUON_MAX_RANK && sizes::kMost == MUON_MAX_SIZES);
static_assert(static_cast<unsigned>(Role::weight) == MUON_WEIGHT &&
              static_cast<unsigned>(Role::gradient) == MUON_GRADIENT &&
              static_cast<unsigned>(Role::state) == MUON_STATE && static_cast<unsigned>(Role::input) == MUON_INPUT);

static uint32_t dtypeOf(Type type) {
  if (type.isBF16())
    return MUON_BF16;
  if (type.isF16())
    return MUON_F16;
  if (type.isF64())
    return MUON_F64;
  if (type.isInteger())
    return type.isInteger(32) ? MUON_I32 : MUON_I64;
  return MUON_F32; // tf32 is kept in f32 words
}

Groups::Groups(ModuleOp planned) {
  SymbolTable symbols(planned);
  llvm::MapVector<StringRef, GroupInfo> found;
  planned.walk([&](UseOp use) {
    GroupInfo &group = found[use.getFunction()];
    group.function = symbols.lookup<func::FuncOp>(use.getFunction());
    int64_t set = sets.insert({use.getSet(), static_cast<int64_t>(sets.size())}).first->second;
    for (auto parameter : use.getParameters().getAsRange<StringAttr>()) {
      group.parameters.push_back(parameter.getValue());
      group.sets.push_back(set);
    }
  });
  for (auto &[symbol, group] : found) {
    group.matrices = matricesPerParameter(group.function);
    group.firstParameter = numParameters;
    numParameters += group.parameters.size();
    numbers[symbol] = groups.size();
    groups.push_back(std::move(group));
  }
}

llvm::Constant *Describer::describeArgument(StringRef argument, uint32_t role, Type type) {
  auto tensor = cast<RankedTensorType>(type);
  SmallVector<llvm::Constant *> sizes;
  for (int64_t i = 0; i < static_cast<int64_t>(MUON_MAX_RANK); ++i)
    sizes.push_back(c.i64(i < tensor.getRank() ? tensor.getDimSize(i) : 0));
  return c.record({c.string(argument), c.i32(role), c.i32(dtypeOf(tensor.getElementType())), c.i32(tensor.getRank()),
                   c.i32(0), c.inlineArray(sizes)});
}

llvm::Constant *Describer::describeGroup(GroupInfo &group) {
  func::FuncOp function = group.function;
  SmallVector<llvm::Constant *> arguments, parameters, setIndices;
  for (unsigned i = 0, e = function.getNumArguments(); i < e; ++i) {
    Type type = function.getArgumentTypes()[i];
    if (!isa<RankedTensorType>(type))
      continue;
    Role role = *roleOf(function, i); // every tensor of a step function has one
    StringAttr name = nameOf(function, i);
    arguments.push_back(
        describeArgument(name ? name.getValue() : stringifyRole(role), static_cast<uint32_t>(role), type));
  }
  for (unsigned i = donatedArguments(function).size(), e = function.getNumResults(); i < e; ++i)
    arguments.push_back(describeArgument(function.getResultAttrOfType<StringAttr>(i, kName).getValue(), MUON_METRIC,
                                         function.getResultTypes()[i]));
  for (StringRef parameter : group.parameters)
    parameters.push_back(c.string(parameter));
  for (int64_t set : group.sets)
    setIndices.push_back(c.i32(set));
  return c.record({c.string(function.getName()), c.i32(arguments.size()), c.i32(group.parameters.size()),
                   c.array(arguments), c.array(parameters), c.array(setIndices), c.i64(group.matrices),
                   c.i64(group.firstParameter)});
}

llvm::Constant *Describer::describeOperand(PlaceAttr place, OperandAttr operand) {
  return c.record({c.i32(place.isArgument() ? MUON_PLACE_ARGUMENT : MUON_PLACE_WORKSPACE),
                   c.i32(dtypeOf(operand.getDtype())), c.i32(std::max<int64_t>(place.getArgument(), 0)),
                   c.i32(place.getRowAxis()), c.i32(place.getColumnAxis()),
                   c.i32(operand.getDirection() == Direction::out), c.i64(place.getOffset()),
                   c.i64(place.getMatrixStride()), c.i64(place.getRowStride()), c.i64(place.getColumnStride())});
}

llvm::Constant *Describer::describeLaunch(const DescribedVariant &variant, KernelOp kernel, LaunchOp launch,
                                          uint64_t &items) {
  int64_t group = numbers.lookup(launch.getFunction());
  SmallVector<llvm::Constant *> operands, coefficients, launchSizes;
  for (auto [place, operand] : llvm::zip(launch.getPlaces(), kernel.getOperands()))
    operands.push_back(describeOperand(cast<PlaceAttr>(place), cast<OperandAttr>(operand)));
  for (double coefficient : launch.getCoefficients())
    coefficients.push_back(c.f64(coefficient));
  for (unsigned i = 0; i < MUON_MAX_SIZES; ++i)
    launchSizes.push_back(c.i64(i < launch.getSizes().size() ? launch.getSizes()[i] : 0));
  BlockShape block = variant.blocks.lookup(kernel.getSymName());
  uint64_t itemBytes = sizeof(muon_item) + operands.size() * sizeof(muon_view), offset = items;
  items += itemBytes * groups[group].parameters.size() * groups[group].matrices;
  llvm::Constant *function = module.getFunction(variant.kernelPrefix + kernel.getSymName().str());
  return c.record({function ? function : c.null(), c.string(kernel.getSymName()), c.i32(group),
                   c.i32(launch.getTiles()), c.i32(operands.size()), c.i32(coefficients.size()), c.array(operands),
                   c.array(coefficients), c.inlineArray(launchSizes), c.i64(offset), c.i64(itemBytes),
                   c.i32(launch.getPredicate()), c.i32(block.threads), c.i32(block.sharedBytes), c.i32(0)});
}

llvm::Constant *Describer::describeVariant(const DescribedVariant &variant) {
  PlanIndex index(variant.planned);
  VariantOp op = index.variant();
  uint64_t items = 0;
  SmallVector<llvm::Constant *> stages;
  for (auto stage : op.getBody().getOps<StageOp>()) {
    SmallVector<llvm::Constant *> launches;
    for (auto launch : stage.getBody().getOps<LaunchOp>())
      launches.push_back(describeLaunch(variant, index.kernelOf(launch), launch, items));
    stages.push_back(c.record({c.i32(launches.size()), c.i32(0), c.array(launches)}));
  }
  SmallVector<llvm::Constant *> images;
  for (const DescribedImage &image : variant.images)
    images.push_back(
        c.record({c.i32(image.kind), c.i32(0), c.string(image.chip), c.bytes(image.data), c.i64(image.data.size())}));
  return c.record({c.string(op.getTarget().getCpu()), c.string(variant.features), c.i64(op.getWorkspace()),
                   c.i64(op.getScratch()), c.i64(items), c.i32(stages.size()), c.i32(variant.preference),
                   c.array(stages), c.string(variant.report), c.array(images), c.i32(images.size()), c.i32(0)});
}

void Describer::emitQuery(llvm::Constant *program) {
  llvm::LLVMContext &context = module.getContext();
  auto *type = llvm::FunctionType::get(llvm::PointerType::get(context, 0), {llvm::Type::getInt32Ty(context)}, false);
  auto *query = llvm::Function::Create(type, llvm::GlobalValue::ExternalLinkage, name, module);
  llvm::IRBuilder<> builder(llvm::BasicBlock::Create(context, "", query));
  llvm::Value *known = builder.CreateICmpEQ(query->getArg(0), builder.getInt32(MUON_ABI_VERSION));
  builder.CreateRet(builder.CreateSelect(known, program, c.null()));
}

void Describer::emit() {
  ModuleOp planned = variants.front().planned;
  auto names = planned->getAttrOfType<ArrayAttr>(kScalars);
  auto integers = planned->getAttrOfType<DenseBoolArrayAttr>(kIntegerScalars);
  SmallVector<llvm::Constant *> scalars, described, describedVariants;
  for (auto [scalar, integer] : llvm::zip(names.getAsRange<StringAttr>(), integers.asArrayRef()))
    scalars.push_back(c.record({c.string(scalar.getValue()), c.i32(integer), c.i32(0)}));
  for (GroupInfo &group : groups)
    described.push_back(describeGroup(group));
  for (const DescribedVariant &variant : variants)
    describedVariants.push_back(describeVariant(variant));
  emitQuery(c.global(c.record({c.i32(MUON_ABI_VERSION), c.i32(groups.size()), c.i32(variants.size()),
                               c.i32(scalars.size()), c.i32(sets.size()), c.i32(0), c.i64(numParameters),
                               c.string(name), c.array(described), c.array(describedVariants), c.array(scalars)})));
}

void muon::emitDescription(llvm::Module &module, StringRef name, ArrayRef<DescribedVariant> variants) {
  Describer(module, name, variants).emit();
}

/// A name in a C comment, escaped as in MLIR: nothing in it ends the comment or its line.
static std::string commentText(StringRef name) {
  std::string text;
  llvm::raw_string_ostream out(text);
  for (unsigned char c : name)
    if (c < 0x20 || c == 0x7f || c == '*')
      out << '\\' << llvm::hexdigit(c >> 4) << llvm::hexdigit(c & 15);
    else
      out << c;
  return text;
}

std::string muon::emitHeader(StringRef name, ModuleOp planned) {
  std::string text;
  llvm::raw_string_ostream out(text);
  std::string guard = name.upper();
  out << "/* Generated by muon-opt: declares the program `" << name
      << "`, to be given to muon_load().\n *\n * Groups:\n";
  Groups described(planned);
  for (GroupInfo &group : described.groups)
    out << " *   " << commentText(group.function.getName()) << ": " << group.parameters.size() << " parameter(s)\n";
  if (described.sets.size() > 1) { // a row for each: their order matters
    out << " * Scalar sets: ";
    llvm::interleaveComma(described.sets, out, [&](auto &set) { out << commentText(set.first); });
    out << "\n";
  }
  out << " * Scalar row: ";
  if (auto names = planned->getAttrOfType<ArrayAttr>(kScalars))
    llvm::interleaveComma(names.getAsRange<StringAttr>(), out,
                          [&](StringAttr scalar) { out << commentText(scalar.getValue()); });
  out << " */\n#ifndef MUON_PROGRAM_" << guard << "_H\n#define MUON_PROGRAM_" << guard
      << "_H\n#include \"muon_runtime.h\"\n\n"
      << "#ifdef __cplusplus\nextern \"C\"\n#endif\nconst muon_program *" << name << "(uint32_t abi);\n\n#endif\n";
  return text;
}
