//===- Product.cpp - one block of a matrix product --------------------------------------------===//
//
// Register tiles of the block go to a block buffer in the worker's scratch; then the body walks the
// buffer by sub-tiles. The buffer is what makes symmetry exact (the half above the diagonal is
// copied, not computed), lets k be cut into chunks and keeps every layout out of the micro kernels.
//
//===-------------------------------------------------------------------------------------------===//

#include "Kernels.h"
#include "LaunchAbi.h"
#include "SubTile.h"

#include "muon/Plan/CpuTiles.h"
#include "muon/Polynomial/Emulate.h"

using namespace mlir;
using namespace muon;
using namespace muon::cpu;

/// Heights of the register tiles of a panel of 32 rows that are two panels wide.
static constexpr int64_t kWideHeights[] = {6, 6, 5, 5, 5, 5};
/// Those of AVX2 where sums are in parts: a part of higher tiles, 16 words, is more instructions than Zen 3 has in
/// flight at once.
static constexpr int64_t kPartHeights[] = {4, 4, 4, 4};

namespace {
class Product {
public:
  Product(Emitter &e, Routines &routines, KernelOp kernel, Body &body, const Frame &frame)
      : e(e), routines(routines), kernel(kernel), body(body), frame(frame), reductions(e, body, frame),
        micro(microOf(kernel)) {}
  void emit();

private:
  void findBlock();
  void emitChunk(Value begin, Value depth);
  void emitRowPanel(Value rowPanel, Value panel, Value begin, MicroTile tile);
  ArrayRef<int64_t> heights(const MicroTile &tile) const;
  void emitMicroTile(Value rowPanel, int64_t offset, int64_t height, MicroTile tile, Value panel);
  void walkSubTiles();
  bool hasWideTiles() const {
    return (micro == Micro::fma || micro == Micro::f16) && panelsOfTile(e.machine.target) == 2;
  }
  /// Elements of k in one word of depth.
  int64_t wordElements() const { return micro == Micro::fma ? 1 : micro == Micro::tiles ? 32 : 2; }

  Emitter &e;
  Routines &routines;
  KernelOp kernel;
  Body &body;
  const Frame &frame;
  Reductions reductions;
  Micro micro;
  Value blockRow, blockColumn;      ///< block coordinates
  Value row, column, rows, columns; ///< first element and extent of the block
  Value stride, onDiagonal;         ///< of the block buffer; whether the block is square on the diagonal
  Value mirrored;                   ///< of a symmetric product: whether it is not
};
} // namespace

Micro cpu::microOf(KernelOp kernel) {
  OperandAttr a = kernel.operandAt(0);
  if (a.getLayout() == Layout::row_tiles || a.getLayout() == Layout::column_tiles)
    return Micro::tiles;
  return a.getDtype().isBF16() ? Micro::dot : a.getDtype().isF16() ? Micro::f16 : Micro::fma;
}

/// The block a tile number stands for: line by line along the shorter side, whose operand stays in cache while the
/// other's panels come by once, or the rows of a lower triangle one after the other.
void Product::findBlock() {
  Value m = frame.sizes[abi::kM], n = frame.sizes[abi::kN];
  Value blockM = frame.sizes[abi::kBlockM], blockN = frame.sizes[abi::kBlockN];
  if (kernel.getSymmetric()) {
    auto place = e.make<scf::WhileOp>(
        TypeRange{e.i64, e.i64}, ValueRange{e.index(0), frame.tile},
        [&](OpBuilder &b, Location loc, ValueRange args) {
          Value beyond = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::sgt, args[1], args[0]);
          scf::ConditionOp::create(b, loc, beyond, args);
        },
        [&](OpBuilder &b, Location loc, ValueRange args) {
          Value one = arith::ConstantOp::create(b, loc, b.getI64IntegerAttr(1));
          Value next = arith::AddIOp::create(b, loc, args[0], one);
          Value left = arith::SubIOp::create(b, loc, args[1], next);
          scf::YieldOp::create(b, loc, ValueRange{next, left});
        });
    blockRow = place.getResult(0), blockColumn = place.getResult(1);
  } else {
    Value down = e.ceilDiv(m, blockM), across = e.ceilDiv(n, blockN), wide = e.less(m, n);
    Value line = e.select(wide, down, across);
    Value outer = e.value<arith::DivUIOp>(frame.tile, line), inner = e.value<arith::RemUIOp>(frame.tile, line);
    blockRow = e.select(wide, inner, outer), blockColumn = e.select(wide, outer, inner);
  }
  onDiagonal = e.equal(blockRow, blockColumn);
  if (kernel.getSymmetric())
    mirrored = e.value<arith::XOrIOp>(onDiagonal, e.bits(e.i1, 1));
  row = e.mul(blockRow, blockM), column = e.mul(blockColumn, blockN);
  rows = e.min(blockM, e.sub(m, row)), columns = e.min(blockN, e.sub(n, column));
  stride = e.add(e.roundUp(blockN, kGrain), kBufferGap);
}

/// One register tile, unless it lies beyond the block's rows or above the diagonal.
void Product::emitMicroTile(Value rowPanel, int64_t offset, int64_t height, MicroTile tile, Value panel) {
  int64_t lanes = e.machine.lanes();
  Value tileRow = e.add(e.mul(rowPanel, lanes), offset), tileColumn = e.mul(panel, lanes);
  Value needed = e.less(tileRow, rows);
  if (kernel.getSymmetric()) {
    Value reaches = e.less(tileColumn, e.add(tileRow, height));
    needed = e.both(needed, e.value<arith::OrIOp>(reaches, mirrored));
  }
  e.when(needed, [&] {
    MicroTile placed = tile;
    placed.height = height;
    placed.c = e.offset(tile.c, e.f32, e.mul(tileRow, stride));
    if (micro == Micro::tiles)
      return callTiles(e, routines, placed, frame.operands[0].rowStride);
    placed.a = e.offset(tile.a, e.f32, e.index(offset));
    if (micro == Micro::dot)
      return callDot(e, routines, placed);
    auto callVectors = micro == Micro::f16 ? callF16 : callFma;
    if (!kernel.getSymmetric() || placed.width != lanes || placed.width == kLanes || offset + height > kLanes)
      return callVectors(e, routines, placed);
    // Of a tile on the diagonal half the columns are enough.
    Value crosses = e.both(onDiagonal, e.equal(panel, rowPanel));
    MicroTile half = placed;
    half.width = kLanes;
    e.when(crosses, [&] { callVectors(e, routines, half); }, [&] { callVectors(e, routines, placed); });
  });
}

/// Of the register tiles of a panel of A's rows.
ArrayRef<int64_t> Product::heights(const MicroTile &tile) const {
  constexpr unsigned kLanesOfAvx2 = 8;
  if (tile.width > e.machine.lanes())
    return kWideHeights;
  return tile.inParts && e.machine.target.getVector() == kLanesOfAvx2 ? ArrayRef<int64_t>(kPartHeights)
                                                                      : e.machine.target.getHeights().asArrayRef();
}

/// All register tiles of one panel of A's lanes against one panel of B.
void Product::emitRowPanel(Value rowPanel, Value panel, Value begin, MicroTile tile) {
  int64_t lanes = e.machine.lanes();
  const Operand &a = frame.operands[0];
  Value aPanel = e.add(e.div(row, lanes), rowPanel);
  if (micro == Micro::tiles) {
    Value strip = e.mul(e.mul(aPanel, 2), a.rowStride);
    tile.a = e.offset(a.data, a.attr.getDtype(), e.add(strip, e.mul(begin, kStripRows * kTileDepth)));
    return emitMicroTile(rowPanel, 0, 32, tile, panel);
  }
  tile.a = e.offset(a.data, e.f32, e.add(e.mul(aPanel, a.rowStride), e.mul(begin, lanes)));
  auto emitTiles = [&](bool inParts) {
    tile.inParts = inParts;
    int64_t offset = 0;
    for (int64_t height : heights(tile)) {
      emitMicroTile(rowPanel, offset, height, tile, panel);
      offset += height;
    }
  };
  if (!kernel.getSymmetric() || micro != Micro::fma)
    return emitTiles(false);
  Value narrow = e.less(frame.sizes[abi::kM], e.index(narrowSide));
  e.when(narrow, [&] { emitTiles(true); }, [&] { emitTiles(false); });
}

/// `depth` words of k, panel by panel or two at a time: a chunk of B's panels stays in the first-level cache while A's
/// rows, which stay in the second, pass by it.
void Product::emitChunk(Value begin, Value depth) {
  int64_t lanes = e.machine.lanes(), wordsPerStep = micro == Micro::tiles ? 16 * lanes : lanes;
  const Operand &b = frame.operands[1];
  Value rowPanels = e.ceilDiv(rows, e.index(lanes)), panels = e.ceilDiv(columns, e.index(lanes));
  Value firstPanel = e.div(column, lanes), fresh = e.equal(begin, e.index(0));
  auto walk = [&](Value from, Value to, int64_t wide) {
    e.loop(from, to, wide, [&](Value panel) {
      Value at = e.add(e.mul(e.add(firstPanel, panel), b.rowStride), e.mul(begin, wordsPerStep));
      MicroTile tile{{}, e.offset(b.data, e.f32, at), {}, stride, depth, fresh, lanes, wide * lanes, b.rowStride};
      tile.c = e.offset(frame.scratch, e.f32, e.mul(panel, lanes));
      e.loop(e.index(0), rowPanels, 1, [&](Value rowPanel) { emitRowPanel(rowPanel, panel, begin, tile); });
    });
  };
  Value paired = e.index(0);
  if (hasWideTiles()) {
    paired = e.mul(e.div(panels, 2), 2);
    if (kernel.getSymmetric()) // a wide tile would cross the diagonal of too many rows
      paired = e.select(onDiagonal, e.index(0), paired);
    walk(e.index(0), paired, 2);
  }
  walk(paired, panels, 1);
}

void Product::walkSubTiles() {
  SubTile subTile(e, routines, kernel, body, frame, reductions);
  Padding padding = paddingOf(kernel, e.machine);
  Value lastRow = e.add(row, rows), lastColumn = e.add(column, columns);
  e.loop(e.index(0), e.roundUp(rows, padding.rows), kLanes, [&](Value i) {
    reductions.beginStrip();
    e.loop(e.index(0), e.roundUp(columns, padding.columns), kLanes, [&](Value j) {
      Value at = e.offset(frame.scratch, e.f32, e.add(e.mul(i, stride), j));
      subTile.emit(e.add(row, i), e.add(column, j), lastRow, lastColumn, {at, stride}, mirrored);
    });
    reductions.endStrip(e.add(row, i), e.min(e.index(kLanes), e.sub(rows, i)), mirrored);
  });
}

void Product::emit() {
  findBlock();
  if (micro == Micro::tiles && slicesTiles(kernel, e.machine))
    return emitTilePipeline(e, routines, kernel, body, frame, {row, column, rows, columns, onDiagonal});
  reductions.begin();
  auto words = [&](int64_t size) { return e.ceilDiv(frame.sizes[size], e.index(wordElements())); };
  Value depth = words(abi::kK), asked = words(abi::kChunk);
  if (micro != Micro::tiles) // panels go on with zeros
    depth = unrolledDepth(e, depth), asked = unrolledDepth(e, asked);
  if (micro == Micro::f16) // whose runs would end with a chunk
    asked = e.roundUp(asked, f16Run);
  Value chunk = e.select(e.less(e.index(0), asked), asked, depth);
  if (micro == Micro::tiles)
    openTiles(e);
  e.loop(e.index(0), e.ceilDiv(depth, chunk), 1, [&](Value i) {
    Value begin = e.mul(i, chunk);
    emitChunk(begin, e.min(chunk, e.sub(depth, begin)));
  });
  if (micro == Micro::tiles)
    closeTiles(e);
  if (kernel.getSymmetric())
    e.when(onDiagonal, [&] { routines.symmetrise(e, frame.scratch, stride, rows); });
  walkSubTiles();
  reductions.finish();
}

void cpu::emitProduct(Emitter &e, Routines &routines, KernelOp kernel, Body &body, const Frame &frame) {
  Product(e, routines, kernel, body, frame).emit();
}
