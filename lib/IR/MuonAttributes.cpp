//===- MuonAttributes.cpp - enums, tables and targets -----------------------------------------===//

#include "muon/IR/PrintNumber.h"
#include "muon/IR/Request.h"
#include "muon/IR/StepFunction.h"

#include "mlir/AsmParser/AsmParser.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

#include <algorithm>
#include <climits>

using namespace mlir;
using namespace muon;

#include "muon/IR/MuonEnums.cpp.inc"
#define GET_ATTRDEF_CLASSES
#include "muon/IR/MuonAttributes.cpp.inc"

void MuonDialect::registerAttributes() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "muon/IR/MuonAttributes.cpp.inc"
      >();
}

static Table tableOf(StringAttr name, ArrayRef<DenseF64ArrayAttr> rows) {
  Table table{name.str(), {}};
  for (DenseF64ArrayAttr row : rows)
    table.rows.push_back(Row{std::vector<double>(row.asArrayRef())});
  return table;
}

Table muon::toTable(TableAttr attribute) { return tableOf(attribute.getName(), attribute.getRows()); }

TableAttr muon::toAttribute(MLIRContext *context, const Table &table) {
  SmallVector<DenseF64ArrayAttr> rows;
  for (const Row &row : table.rows)
    rows.push_back(DenseF64ArrayAttr::get(context, row.c));
  return TableAttr::get(context, StringAttr::get(context, table.name), rows);
}

bool muon::isOperandType(Type type) { return isa<Float32Type, BFloat16Type, Float16Type, FloatTF32Type>(type); }

Type muon::operandTypeNamed(MLIRContext *context, StringRef name) {
  return llvm::is_contained(kOperandTypes, name) ? parseType(name, context) : Type();
}

/// Whether the name alone says the same, so that the short form can be printed.
static bool isPublished(const Table &table) {
  TableOrError published = lookupTable(table.name, table.steps());
  return published && published.table->rows == table.rows;
}

static ParseResult parseRow(AsmParser &parser, SmallVectorImpl<DenseF64ArrayAttr> &rows) {
  SmallVector<double> coefficients;
  auto parseCoefficient = [&] { return parser.parseFloat(coefficients.emplace_back()); };
  if (parser.parseCommaSeparatedList(AsmParser::Delimiter::Square, parseCoefficient))
    return failure();
  rows.push_back(DenseF64ArrayAttr::get(parser.getContext(), coefficients));
  return success();
}

Attribute TableAttr::parse(AsmParser &parser, Type) {
  std::string name;
  SMLoc location = parser.getCurrentLocation();
  if (parser.parseLess() || parser.parseString(&name) || parser.parseComma())
    return {};
  SmallVector<DenseF64ArrayAttr> rows;
  int64_t steps;
  OptionalParseResult number = parser.parseOptionalInteger(steps);
  if (number.has_value()) {
    if (failed(*number) || parser.parseGreater())
      return {};
    TableOrError published = lookupTable(name, static_cast<int>(std::clamp<int64_t>(steps, INT_MIN, INT_MAX)));
    if (!published) {
      parser.emitError(location) << published.error;
      return {};
    }
    return toAttribute(parser.getContext(), *published.table);
  }
  if (parser.parseCommaSeparatedList(AsmParser::Delimiter::Square, [&] { return parseRow(parser, rows); }) ||
      parser.parseGreater())
    return {};
  auto emit = [&] { return parser.emitError(location); };
  return TableAttr::getChecked(emit, parser.getContext(), StringAttr::get(parser.getContext(), name), rows);
}

void TableAttr::print(AsmPrinter &printer) const {
  printer << '<' << getName() << ", ";
  if (isPublished(toTable(*this))) {
    printer << getRows().size() << ">";
    return;
  }
  printer << "[";
  llvm::interleaveComma(getRows(), printer, [&](DenseF64ArrayAttr row) {
    printer << "[";
    llvm::interleaveComma(row.asArrayRef(), printer, [&](double c) { printer.printFloat(APFloat(c)); });
    printer << "]";
  });
  printer << "]>";
}

LogicalResult TableAttr::verify(llvm::function_ref<InFlightDiagnostic()> emitError, StringAttr name,
                                ArrayRef<DenseF64ArrayAttr> rows) {
  std::string error = checkRows(tableOf(name, rows)); // C1, C2
  if (!error.empty())
    return emitError() << error;
  return success();
}

std::string TargetAttr::whyNot(Type operands) const {
  if (isGpu() || (operands.isF16() ? getIsa() == "half" : !isa<FloatTF32Type>(operands)))
    return "";
  StringRef wanted =
      operands.isF16() ? "a GPU target, or a processor with avx512_fp16 and without AMX," : "a GPU target";
  std::string line;
  llvm::raw_string_ostream(line) << "expected " << wanted << " for operands of '" << operands << "', got " << getCpu();
  return line;
}

LogicalResult TargetAttr::verify(llvm::function_ref<InFlightDiagnostic()> emitError, StringRef, StringRef, StringRef,
                                 StringRef isa, unsigned lanes, DenseI64ArrayAttr heights, unsigned vector, uint64_t l1,
                                 uint64_t l2, ChipAttr chip) {
  if (!llvm::is_contained({"fma", "half", "dot", "amx", "mma"}, isa)) // C1
    return emitError() << "expected isa fma, half, dot, amx or mma, got " << isa;
  int64_t rows = 0;
  for (int64_t height : heights.asArrayRef())
    rows += height;
  if (rows != lanes || llvm::any_of(heights.asArrayRef(), [](int64_t height) { return height < 1; })) // C2
    return emitError() << "expected positive heights that add up to " << lanes << " lanes, got "
                       << heights.asArrayRef();
  if ((isa == "mma") != bool(chip)) // C3
    return emitError() << "expected a chip with isa mma and with no other, got isa " << isa
                       << (chip ? " with a chip" : " without one");
  if (!lanes || !vector || !l1 || !l2) // C4
    return emitError() << "expected positive lanes, vector, l1 and l2, got " << lanes << ", " << vector << ", " << l1
                       << " and " << l2;
  return success();
}

LogicalResult ChipAttr::verify(llvm::function_ref<InFlightDiagnostic()> emitError, StringRef name,
                               unsigned multiprocessors, unsigned clock, unsigned fma, unsigned shared,
                               unsigned blockShared, unsigned registers, unsigned warps, unsigned blocks, uint64_t l2,
                               unsigned l2Rate, unsigned memoryRate) {
  uint64_t numbers[] = {multiprocessors, clock,  fma, shared, blockShared, registers,
                        warps,           blocks, l2,  l2Rate, memoryRate};
  if (llvm::is_contained(numbers, 0u) || blockShared > shared) // C1
    return emitError() << "expected positive numbers of chip " << name << " and block_shared of at most " << shared
                       << ", got " << blockShared;
  return success();
}

LogicalResult OperandAttr::verify(llvm::function_ref<InFlightDiagnostic()> emitError, Direction, Space space,
                                  Layout layout, Type dtype, Reduction reduction) {
  if (!isRuntimeType(dtype)) // C1
    return emitError() << "expected an operand of f32, bf16, f16, f64, i32 or i64, got " << dtype;
  bool tiles = layout == Layout::row_tiles || layout == Layout::column_tiles;
  bool packable = space == Space::element && reduction == Reduction::none &&
                  (tiles ? dtype.isBF16() : isa<Float32Type, BFloat16Type, Float16Type>(dtype));
  if (layout != Layout::plain && !packable) // C2
    return emitError() << "expected layout " << stringifyLayout(layout) << " of elements of "
                       << (tiles ? "bf16" : "f32, bf16 or f16") << " without reduction, got " << stringifySpace(space)
                       << ", " << dtype << ", " << stringifyReduction(reduction);
  return success();
}

LogicalResult PlaceAttr::verify(llvm::function_ref<InFlightDiagnostic()> emitError, int64_t argument, int64_t rowAxis,
                                int64_t columnAxis, int64_t offset, int64_t matrixStride, int64_t rowStride,
                                int64_t columnStride) {
  if (std::min({argument, rowAxis, columnAxis}) < -1 || std::min({offset, matrixStride, rowStride, columnStride}) < 0)
    return emitError() << "expected argument and axes of -1 or more and no other negative number, got " // C1
                       << ArrayRef({argument, rowAxis, columnAxis, offset, matrixStride, rowStride, columnStride});
  if (argument < 0 && (rowAxis >= 0 || columnAxis >= 0)) // C2
    return emitError() << "expected a place in the workspace to have no axes, got " << rowAxis << " and " << columnAxis;
  return success();
}

Attribute BandAttr::parse(AsmParser &parser, Type) {
  SmallVector<double> numbers;
  auto parseNumber = [&](StringRef name) -> ParseResult {
    return failure(parser.parseKeyword(name) || parser.parseEqual() || parser.parseFloat(numbers.emplace_back()));
  };
  SMLoc location = parser.getCurrentLocation();
  if (parser.parseLess() || parseNumber("floor"))
    return {};
  if (succeeded(parser.parseOptionalComma()) && (parseNumber("lower") || parser.parseComma() || parseNumber("upper")))
    return {};
  if (parser.parseGreater())
    return {};
  MLIRContext *context = parser.getContext();
  return BandAttr::getChecked([&] { return parser.emitError(location); }, context,
                              DenseF64ArrayAttr::get(context, numbers));
}

void BandAttr::print(AsmPrinter &printer) const {
  constexpr StringLiteral kNames[] = {"floor", "lower", "upper"};
  printer << "<";
  llvm::interleaveComma(llvm::zip(kNames, getNumbers().asArrayRef()), printer, [&](auto named) {
    printer << std::get<0>(named) << " = ";
    printer.printFloat(APFloat(std::get<1>(named)));
  });
  printer << ">";
}

LogicalResult BandAttr::verify(llvm::function_ref<InFlightDiagnostic()> emitError, DenseF64ArrayAttr numbers) {
  ArrayRef<double> band = numbers.asArrayRef();
  if (band.empty() || !(band[0] > 0 && band[0] < 1)) // C1
    return emitError() << "expected 0 < floor < 1, got " << printNumbers(band);
  if (band.size() > 1 && !(band.size() == 3 && band[1] > 0 && band[1] < band[2] && band[2] < 2)) // C2
    return emitError() << "expected 0 < lower < upper < 2, got " << printNumbers(band.drop_front());
  return success();
}

static LogicalResult verifyOverride(llvm::function_ref<InFlightDiagnostic()> emitError, NamedAttribute given) {
  StringRef name = given.getName().getValue();
  const Override *known = findOverride(name);
  if (!known) // C3
    return emitError() << "unknown override '" << name << "', expected "
                       << printChoices(
                              llvm::map_to_vector(knownOverrides(), [](const Override &one) { return one.name; }));
  auto isInteger = [](Attribute value) {
    return isa<IntegerAttr>(value) && cast<IntegerAttr>(value).getType().isInteger(64);
  };
  Attribute value = given.getValue();
  auto word = dyn_cast<StringAttr>(value);
  auto numbers = dyn_cast<ArrayAttr>(value);
  bool fits = known->kind == Override::word   ? word && llvm::is_contained(known->words, word.getValue())
              : known->kind == Override::list ? numbers && llvm::all_of(numbers, isInteger)
                                              : isInteger(value) && cast<IntegerAttr>(value).getInt() > 0;
  if (!fits) // C4
    return emitError() << "override '" << name << "': expected " << known->expected() << ", got " << value;
  return success();
}

LogicalResult RequestAttr::verify(llvm::function_ref<InFlightDiagnostic()> emitError, TargetAttr target, Type dtype,
                                  BandAttr, DictionaryAttr overrides, unsigned version) {
  if (version > kDialectVersion) // C1
    return emitError() << "expected a request of version " << kDialectVersion << " at most, got version " << version;
  if (dtype && !isOperandType(dtype)) // C2
    return emitError() << "expected dtype " << printChoices(kOperandTypes) << ", got " << dtype;
  if (std::string why = dtype && target ? target.whyNot(dtype) : ""; !why.empty()) // C2
    return emitError() << why;
  for (NamedAttribute given : overrides ? overrides.getValue() : ArrayRef<NamedAttribute>())
    if (failed(verifyOverride(emitError, given)))
      return failure();
  return success();
}
