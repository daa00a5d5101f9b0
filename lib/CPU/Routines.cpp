//===- Routines.cpp - moves of one sub-tile ---------------------------------------------------===//

#include "Routines.h"

#include "Transpose.h"

using namespace mlir;
using namespace muon;
using namespace muon::cpu;

void cpu::setFunctionAttributes(LLVM::LLVMFuncOp function, const Machine &machine) {
  MLIRContext *context = function.getContext();
  Builder b(context);
  function.setTargetCpuAttr(b.getStringAttr(machine.target.getCpu()));
  SmallVector<StringRef> features;
  machine.target.getFeatures().split(features, ',', -1, /*KeepEmpty=*/false);
  if (!features.empty())
    function.setTargetFeaturesAttr(LLVM::TargetFeaturesAttr::get(context, features));
  SmallVector<Attribute> attributes{b.getStringAttr("nounwind"), b.getStringAttr("no-builtins")};
  function.setPassthroughAttr(b.getArrayAttr(attributes));
}

void Routines::call(Emitter &e, StringRef name, ValueRange arguments,
                    llvm::function_ref<void(Emitter &, ValueRange)> define) {
  auto function = module.lookupSymbol<LLVM::LLVMFuncOp>(name);
  if (!function) {
    OpBuilder::InsertionGuard guard(e.b);
    e.b.setInsertionPointToEnd(module.getBody());
    auto type =
        LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(e.b.getContext()), SmallVector<Type>(arguments.getTypes()));
    function = e.make<LLVM::LLVMFuncOp>(name, type, LLVM::Linkage::Internal);
    function.setNoInline(true);
    setFunctionAttributes(function, machine);
    // Panels, slabs and outputs never overlap: the plan gives every buffer its own place.
    for (unsigned i = 0; i < arguments.size(); ++i)
      if (arguments[i].getType() == e.ptr)
        function.setArgAttr(i, LLVM::LLVMDialect::getNoAliasAttrName(), e.b.getUnitAttr());
    Block *entry = function.addEntryBlock(e.b);
    e.b.setInsertionPointToStart(entry);
    define(e, entry->getArguments());
    e.make<LLVM::ReturnOp>(ValueRange{});
  }
  e.make<LLVM::CallOp>(function, arguments);
}

static std::string nameFor(StringRef what, Type dtype) {
  return ("muon_" + what + (dtype.isBF16() ? "_bf16" : dtype.isF16() ? "_f16" : "_f32")).str();
}

static Value slabRow(Emitter &e, Value slab, Value row) { return e.offset(slab, e.f32, e.mul(row, kLanes)); }

//===----------------------------------------------------------------------------------------------===//
// Transposition
//===----------------------------------------------------------------------------------------------===//

static SmallVector<Value> loadRows(Emitter &e, Value pointer, Value stride) {
  SmallVector<Value> rows;
  for (int64_t r = 0; r < kLanes; ++r)
    rows.push_back(e.loadLanes(e.f32, e.offset(pointer, e.f32, e.mul(stride, r))));
  return rows;
}

static void storeRows(Emitter &e, ArrayRef<Value> rows, Value pointer, Value stride) {
  for (auto [r, row] : llvm::enumerate(rows))
    e.storeLanes(e.f32, row, e.offset(pointer, e.f32, e.mul(stride, r)));
}

void Routines::transpose(Emitter &e, Value from, Value to) {
  call(e, "muon_transpose", {from, to}, [](Emitter &e, ValueRange args) {
    storeRows(e, loadTransposed(e, args[0], e.index(kLanes)), args[1], e.index(kLanes));
  });
}

void Routines::transposeWords(Emitter &e, Value from, int64_t fromStride, Value to, int64_t toStride) {
  std::string name = ("muon_transpose_words_" + Twine(fromStride) + "_" + Twine(toStride)).str();
  call(e, name, {from, to}, [=](Emitter &e, ValueRange args) {
    storeRows(e, loadTransposed(e, args[0], e.index(fromStride)), args[1], e.index(toStride));
  });
}

//===----------------------------------------------------------------------------------------------===//
// Strided memory
//===----------------------------------------------------------------------------------------------===//

void Routines::gather(Emitter &e, Type dtype, Value slab, Value source, Value rowStride, Value columnStride, Value rows,
                      Value columns) {
  auto define = [this, dtype](Emitter &e, ValueRange args) {
    Value slab = args[0], source = args[1], rowStride = args[2], columnStride = args[3];
    Value rows = args[4], columns = args[5], zero = e.index(0), one = e.index(1);
    auto byRows = [&] {
      e.loop(zero, rows, 1, [&](Value r) {
        Value row = e.loadLanes(dtype, e.offset(source, dtype, e.mul(r, rowStride)), columns);
        e.storeLanes(e.f32, row, slabRow(e, slab, r));
      });
    };
    auto byColumns = [&] {
      Value turned = e.stack(kSlabBytes);
      e.loop(zero, columns, 1, [&](Value c) {
        Value column = e.loadLanes(dtype, e.offset(source, dtype, e.mul(c, columnStride)), rows);
        e.storeLanes(e.f32, column, slabRow(e, turned, c));
      });
      transpose(e, turned, slab);
    };
    auto byElements = [&] {
      e.loop(zero, rows, 1, [&](Value r) {
        e.loop(zero, columns, 1, [&](Value c) {
          Value at = e.add(e.mul(r, rowStride), e.mul(c, columnStride));
          Value element = e.loadElement(dtype, e.offset(source, dtype, at));
          e.storeElement(e.f32, element, e.offset(slabRow(e, slab, r), e.f32, c));
        });
      });
    };
    e.when(e.equal(columnStride, one), byRows, [&] { e.when(e.equal(rowStride, one), byColumns, byElements); });
  };
  call(e, nameFor("gather", dtype), {slab, source, rowStride, columnStride, rows, columns}, define);
}

void Routines::scatter(Emitter &e, Type dtype, Value slab, Value target, Value rowStride, Value columnStride,
                       Value rows, Value columns) {
  auto define = [this, dtype](Emitter &e, ValueRange args) {
    Value slab = args[0], target = args[1], rowStride = args[2], columnStride = args[3];
    Value rows = args[4], columns = args[5], zero = e.index(0), one = e.index(1);
    auto byRows = [&] {
      e.loop(zero, rows, 1, [&](Value r) {
        Value row = e.loadLanes(e.f32, slabRow(e, slab, r));
        e.storeLanes(dtype, row, e.offset(target, dtype, e.mul(r, rowStride)), columns);
      });
    };
    auto byColumns = [&] {
      Value turned = e.stack(kSlabBytes);
      transpose(e, slab, turned);
      e.loop(zero, columns, 1, [&](Value c) {
        Value column = e.loadLanes(e.f32, slabRow(e, turned, c));
        e.storeLanes(dtype, column, e.offset(target, dtype, e.mul(c, columnStride)), rows);
      });
    };
    auto byElements = [&] {
      e.loop(zero, rows, 1, [&](Value r) {
        e.loop(zero, columns, 1, [&](Value c) {
          Value at = e.add(e.mul(r, rowStride), e.mul(c, columnStride));
          Value element = e.loadElement(e.f32, e.offset(slabRow(e, slab, r), e.f32, c));
          e.storeElement(dtype, element, e.offset(target, dtype, at));
        });
      });
    };
    e.when(e.equal(columnStride, one), byRows, [&] { e.when(e.equal(rowStride, one), byColumns, byElements); });
  };
  call(e, nameFor("scatter", dtype), {slab, target, rowStride, columnStride, rows, columns}, define);
}

//===----------------------------------------------------------------------------------------------===//
// Packed memory
//===----------------------------------------------------------------------------------------------===//

void Routines::writeWords(Emitter &e, Value slab, Value target) {
  call(e, "muon_write_words", {slab, target}, [](Emitter &e, ValueRange args) {
    Value stride = e.index(e.machine.lanes());
    storeRows(e, loadRows(e, args[0], e.index(kLanes)), args[1], stride);
  });
}

void Routines::readWords(Emitter &e, Value slab, Value source) {
  call(e, "muon_read_words", {slab, source}, [](Emitter &e, ValueRange args) {
    Value stride = e.index(e.machine.lanes());
    storeRows(e, loadRows(e, args[1], stride), args[0], e.index(kLanes));
  });
}

Value cpu::pairOf(Emitter &e, Type half, Value even, Value odd) {
  Type words = e.lanes(e.i32);
  if (half.isBF16())
    return e.make<arith::OrIOp>(e.make<arith::ShRUIOp>(e.asInt(even), e.bits(words, 16)), e.asInt(odd));
  Value low = e.make<arith::ExtUIOp>(words, e.halfBits(half, even)),
        high = e.make<arith::ExtUIOp>(words, e.halfBits(half, odd));
  return e.make<arith::OrIOp>(low, e.make<arith::ShLIOp>(high, e.bits(words, 16)));
}

Value cpu::halfOf(Emitter &e, Type half, Value pair, bool odd) {
  Type words = pair.getType();
  if (half.isBF16())
    return e.asFloat(odd ? Value(e.make<arith::AndIOp>(pair, e.bits(words, int32_t(0xffff0000))))
                         : e.make<arith::ShLIOp>(pair, e.bits(words, 16)));
  Value low = odd ? Value(e.make<arith::ShRUIOp>(pair, e.bits(words, 16))) : pair;
  return e.fromBits(half, e.make<arith::TruncIOp>(e.lanes(e.i16), low));
}

void Routines::writePairs(Emitter &e, Type half, Value slab, Value target) {
  call(e, nameFor("write_pairs", half), {slab, target}, [half](Emitter &e, ValueRange args) {
    SmallVector<Value> rows = loadRows(e, args[0], e.index(kLanes));
    for (int64_t d = 0; d < kLanes / 2; ++d)
      e.storeRaw(pairOf(e, half, rows[2 * d], rows[2 * d + 1]),
                 e.offset(args[1], e.i32, e.index(d * e.machine.lanes())), 4);
  });
}

void Routines::readPairs(Emitter &e, Type half, Value slab, Value source) {
  call(e, nameFor("read_pairs", half), {slab, source}, [half](Emitter &e, ValueRange args) {
    Type words = e.lanes(e.i32);
    for (int64_t d = 0; d < kLanes / 2; ++d) {
      Value at = e.offset(args[1], e.i32, e.index(d * e.machine.lanes()));
      Value pair = e.loadRaw(words, at, 4);
      for (int64_t odd = 0; odd < 2; ++odd)
        e.storeLanes(e.f32, halfOf(e, half, pair, odd), slabRow(e, args[0], e.index(2 * d + odd)));
    }
  });
}

void Routines::writeTile(Emitter &e, Value slab, Value target) {
  call(e, "muon_write_tile", {slab, target}, [](Emitter &e, ValueRange args) {
    for (int64_t r = 0; r < kLanes; ++r)
      e.storeLanes(e.bf16, e.loadLanes(e.f32, slabRow(e, args[0], e.index(r))),
                   e.offset(args[1], e.bf16, e.index(r * 32)));
  });
}

void Routines::writeTurnedWords(Emitter &e, Value slab, Value target) {
  call(e, "muon_write_turned_words", {slab, target}, [](Emitter &e, ValueRange args) {
    Value stride = e.index(e.machine.lanes());
    storeRows(e, loadTransposed(e, args[0], e.index(kLanes)), args[1], stride);
  });
}

void Routines::writeTurnedPairs(Emitter &e, Type half, Value slab, Value target) {
  call(e, nameFor("write_turned_pairs", half), {slab, target}, [half](Emitter &e, ValueRange args) {
    SmallVector<Value> rows = loadRows(e, args[0], e.index(kLanes)), words;
    SmallVector<int64_t> even, odd;
    for (int64_t i = 0; i < kLanes; ++i)
      even.push_back(2 * i), odd.push_back(2 * i + 1);
    // Adjacent columns of a row are a word: 8 words of row r beside 8 of row r + 8.
    for (int64_t r = 0; r < 8; ++r)
      words.push_back(pairOf(e, half, e.shuffle(rows[r], rows[r + 8], even), e.shuffle(rows[r], rows[r + 8], odd)));
    for (auto [d, word] : llvm::enumerate(transposedHalves(e, words)))
      e.storeRaw(word, e.offset(args[1], e.i32, e.index(d * e.machine.lanes())), 4);
  });
}

void Routines::writeTurnedTile(Emitter &e, Value slab, Value target) {
  call(e, "muon_write_turned_tile", {slab, target}, [](Emitter &e, ValueRange args) {
    SmallVector<Value> rows = loadRows(e, args[0], e.index(kLanes)), words;
    for (int64_t d = 0; d < 8; ++d)
      words.push_back(pairOf(e, e.bf16, rows[2 * d], rows[2 * d + 1]));
    // Half a vector is one row of the tile: 8 words, 16 columns.
    for (auto [c, both] : llvm::enumerate(transposedHalves(e, words)))
      for (int64_t half = 0; half < 2; ++half) {
        Value row = e.make<vector::ExtractStridedSliceOp>(both, ArrayRef<int64_t>{8 * half}, ArrayRef<int64_t>{8},
                                                          ArrayRef<int64_t>{1});
        e.storeRaw(row, e.offset(args[1], e.i32, e.index((8 * half + c) * 16)), 4);
      }
  });
}

void Routines::readTile(Emitter &e, Value slab, Value source) {
  call(e, "muon_read_tile", {slab, source}, [](Emitter &e, ValueRange args) {
    for (int64_t r = 0; r < kLanes; ++r)
      e.storeLanes(e.f32, e.loadLanes(e.bf16, e.offset(args[1], e.bf16, e.index(r * 32))),
                   slabRow(e, args[0], e.index(r)));
  });
}

//===----------------------------------------------------------------------------------------------===//
// Symmetry
//===----------------------------------------------------------------------------------------------===//

void Routines::symmetrise(Emitter &e, Value block, Value stride, Value extent) {
  call(e, "muon_symmetrise", {block, stride, extent}, [](Emitter &e, ValueRange args) {
    Value stride = args[1];
    auto corner = [&](Value i, Value j) { return e.offset(args[0], e.f32, e.add(e.mul(i, stride), j)); };
    e.loop(e.index(0), args[2], kLanes, [&](Value i) {
      e.loop(e.index(0), i, kLanes,
             [&](Value j) { storeRows(e, loadTransposed(e, corner(i, j), stride), corner(j, i), stride); });
      SmallVector<Value> rows = loadRows(e, corner(i, i), stride);
      SmallVector<Value> columns = loadTransposed(e, corner(i, i), stride);
      for (int64_t r = 0; r < kLanes; ++r)
        rows[r] = e.select(e.firstLanes(e.index(r + 1)), rows[r], columns[r]);
      storeRows(e, rows, corner(i, i), stride);
    });
  });
}
