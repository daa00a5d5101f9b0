//===- Boxes.cpp - boxes of tensors, and what views make of them ------------------------------===//

#include "muon/Plan/Boxes.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace muon;

static RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }

Box Box::whole(RankedTensorType type) {
  Box box;
  box.offsets.assign(type.getRank(), 0);
  box.sizes.assign(type.getShape().begin(), type.getShape().end());
  box.dropped.resize(type.getRank());
  return box;
}

bool Box::isWhole(RankedTensorType type) const { return dropped.none() && ArrayRef<int64_t>(sizes) == type.getShape(); }

SmallVector<int64_t> Box::shape() const {
  SmallVector<int64_t> shape;
  for (auto [i, size] : llvm::enumerate(sizes))
    if (!dropped[i])
      shape.push_back(size);
  return shape;
}

void Box::copy(int64_t to, const Box &other, int64_t from) {
  offsets[to] = other.offsets[from], sizes[to] = other.sizes[from], dropped[to] = other.dropped[from];
}

SmallVector<int64_t> Box::positionsOf(ArrayRef<int64_t> dimensions) const {
  SmallVector<int64_t> positions;
  int64_t next = 0;
  for (int64_t i = 0, e = sizes.size(); i < e; ++i) {
    if (dropped[i])
      continue;
    if (llvm::is_contained(dimensions, i))
      positions.push_back(next);
    ++next;
  }
  return positions;
}

Box Box::without(llvm::function_ref<bool(int64_t)> leave) const {
  Box result;
  for (int64_t i = 0, e = sizes.size(); i < e; ++i) {
    if (leave(i))
      continue;
    result.offsets.push_back(offsets[i]);
    result.sizes.push_back(sizes[i]);
    result.dropped.push_back(dropped[i]);
  }
  return result;
}

bool Cuts::empty() const {
  return dropped.none() && llvm::all_of(at, [](const std::set<int64_t> &cuts) { return cuts.empty(); });
}

void Cuts::drop(int64_t dimension, int64_t size) {
  dropped.set(dimension);
  for (int64_t i = 1; i < size; ++i)
    at[dimension].insert(i);
}

void Cuts::add(const Cuts &other) {
  if (at.empty())
    *this = other;
  for (auto [i, cuts] : llvm::enumerate(other.at))
    at[i].insert(cuts.begin(), cuts.end());
  dropped |= other.dropped;
}

void Cuts::addRange(int64_t own, const Cuts &other, int64_t dimension, int64_t begin, int64_t size) {
  if (other.at.empty())
    return;
  for (int64_t cut : other.at[dimension])
    if (cut > begin && cut < begin + size)
      at[own].insert(cut - begin);
  if (other.dropped[dimension])
    dropped.set(own);
}

SmallVector<Box> Cuts::pieces(RankedTensorType type) const {
  SmallVector<Box> pieces{Box::whole(type)};
  for (auto [dimension, cuts] : llvm::enumerate(at)) {
    SmallVector<Box> finer;
    for (const Box &piece : pieces) {
      int64_t begin = 0;
      auto add = [&](int64_t end) {
        Box part = piece;
        part.offsets[dimension] = begin, part.sizes[dimension] = end - begin;
        if (dropped[dimension])
          part.dropped.set(dimension);
        finer.push_back(std::move(part));
        begin = end;
      };
      llvm::for_each(cuts, add);
      add(type.getDimSize(dimension));
    }
    pieces = std::move(finer);
  }
  return pieces;
}

bool muon::isView(Operation *op) {
  return isa_and_present<tensor::ExtractSliceOp, tensor::ConcatOp, tensor::ExpandShapeOp, tensor::CollapseShapeOp>(op);
}

//===----------------------------------------------------------------------------------------------===//
// Merged dimensions
//===----------------------------------------------------------------------------------------------===//

namespace {
/// Dimensions [first, inner] of an expanded tensor that are dimension `merged` of the collapsed one. Pieces are runs
/// along `inner`.
struct Merged {
  int64_t merged, first, inner, innerSize;
};
} // namespace

/// An expand_shape or collapse_shape, as the groups of dimensions it merges.
static SmallVector<Merged> mergedDimensions(Operation *reshape) {
  auto expand = dyn_cast<tensor::ExpandShapeOp>(reshape);
  RankedTensorType expanded = expand ? expand.getResultType() : cast<tensor::CollapseShapeOp>(reshape).getSrcType();
  auto groups =
      expand ? expand.getReassociationIndices() : cast<tensor::CollapseShapeOp>(reshape).getReassociationIndices();
  SmallVector<Merged> result;
  for (auto [merged, group] : llvm::enumerate(groups)) {
    result.push_back({static_cast<int64_t>(merged), group.front(), group.back(), expanded.getDimSize(group.back())});
  }
  return result;
}

static Cuts cutsOfExpanded(RankedTensorType expanded, ArrayRef<Merged> groups, const Cuts &source) {
  Cuts cuts(expanded.getRank());
  for (const Merged &group : groups) {
    for (int64_t i = group.first; i < group.inner; ++i)
      cuts.drop(i, expanded.getDimSize(i));
    if (source.at.empty())
      continue;
    for (int64_t cut : source.at[group.merged])
      if (cut % group.innerSize)
        cuts.at[group.inner].insert(cut % group.innerSize);
    if (source.dropped[group.merged])
      cuts.dropped.set(group.inner);
  }
  return cuts;
}

static Cuts cutsOfCollapsed(RankedTensorType collapsed, ArrayRef<Merged> groups, const Cuts &source) {
  Cuts cuts(collapsed.getRank());
  for (const Merged &group : groups)
    for (int64_t begin = 0; begin < collapsed.getDimSize(group.merged); begin += group.innerSize) {
      if (begin)
        cuts.at[group.merged].insert(begin);
      if (source.at.empty())
        continue;
      for (int64_t cut : source.at[group.inner])
        cuts.at[group.merged].insert(begin + cut);
      if (source.dropped[group.inner])
        cuts.dropped.set(group.merged);
    }
  return cuts;
}

static Box expandedBox(const Box &box, RankedTensorType expanded, ArrayRef<Merged> groups) {
  Box result = Box::whole(expanded);
  for (const Merged &group : groups) {
    int64_t outer = box.offsets[group.merged] / group.innerSize;
    result.offsets[group.inner] = box.offsets[group.merged] % group.innerSize;
    result.sizes[group.inner] = box.sizes[group.merged];
    if (box.dropped[group.merged])
      result.dropped.set(group.inner);
    for (int64_t i = group.inner; i-- > group.first;) {
      result.offsets[i] = outer % expanded.getDimSize(i);
      outer /= expanded.getDimSize(i);
      result.sizes[i] = 1;
      result.dropped.set(i);
    }
  }
  return result;
}

static Box collapsedBox(const Box &box, RankedTensorType expanded, ArrayRef<Merged> groups) {
  Box result;
  for (const Merged &group : groups) {
    int64_t offset = 0;
    for (int64_t i = group.first; i <= group.inner; ++i)
      offset = offset * expanded.getDimSize(i) + box.offsets[i];
    result.offsets.push_back(offset);
    result.sizes.push_back(box.sizes[group.inner]);
    result.dropped.push_back(box.dropped[group.inner]);
  }
  return result;
}

//===----------------------------------------------------------------------------------------------===//
// Views
//===----------------------------------------------------------------------------------------------===//

Cuts muon::cutsOfView(Operation *view, llvm::function_ref<Cuts(Value)> cutsOf) {
  RankedTensorType type = typeOf(view->getResult(0));
  Cuts cuts(type.getRank());
  if (auto slice = dyn_cast<tensor::ExtractSliceOp>(view)) {
    Cuts source = cutsOf(slice.getSource());
    llvm::SmallBitVector dropped = slice.getDroppedDims();
    int64_t own = 0;
    for (int64_t i = 0, e = slice.getSourceType().getRank(); i < e; ++i)
      if (!dropped[i])
        cuts.addRange(own++, source, i, slice.getStaticOffset(i), slice.getStaticSize(i));
    return cuts;
  }
  if (auto concat = dyn_cast<tensor::ConcatOp>(view)) {
    int64_t along = concat.getDim(), begin = 0;
    for (Value input : concat.getInputs()) {
      if (begin)
        cuts.at[along].insert(begin);
      Cuts own = cutsOf(input), moved = own;
      if (!own.at.empty()) {
        moved.at[along].clear();
        for (int64_t cut : own.at[along])
          moved.at[along].insert(begin + cut);
        cuts.add(moved);
      }
      begin += typeOf(input).getDimSize(along);
    }
    return cuts;
  }
  Cuts source = cutsOf(view->getOperand(0));
  SmallVector<Merged> groups = mergedDimensions(view);
  return isa<tensor::ExpandShapeOp>(view) ? cutsOfExpanded(type, groups, source)
                                          : cutsOfCollapsed(type, groups, source);
}

Cuts muon::cutsAskedBy(Operation *view, const Cuts &ofResult) {
  if (auto slice = dyn_cast<tensor::ExtractSliceOp>(view)) {
    RankedTensorType type = slice.getSourceType();
    Cuts cuts(type.getRank());
    llvm::SmallBitVector dropped = slice.getDroppedDims();
    int64_t own = 0;
    for (int64_t i = 0, e = type.getRank(); i < e; ++i) {
      int64_t begin = slice.getStaticOffset(i), end = begin + slice.getStaticSize(i);
      for (int64_t cut : {begin, end})
        if (cut > 0 && cut < type.getDimSize(i))
          cuts.at[i].insert(cut);
      if (!dropped[i])
        for (int64_t cut : ofResult.at[own++])
          cuts.at[i].insert(begin + cut);
    }
    return cuts;
  }
  if (auto expand = dyn_cast<tensor::ExpandShapeOp>(view)) {
    Cuts cuts = cutsOfCollapsed(expand.getSrcType(), mergedDimensions(view), ofResult);
    cuts.dropped.reset();
    return cuts;
  }
  return Cuts(typeOf(view->getOperand(0)).getRank());
}

std::pair<Value, Box> muon::boxBelow(Operation *view, const Box &box) {
  if (auto slice = dyn_cast<tensor::ExtractSliceOp>(view)) {
    Box below;
    llvm::SmallBitVector dropped = slice.getDroppedDims();
    int64_t own = 0;
    for (int64_t i = 0, e = slice.getSourceType().getRank(); i < e; ++i) {
      below.offsets.push_back(slice.getStaticOffset(i) + (dropped[i] ? 0 : box.offsets[own]));
      below.sizes.push_back(dropped[i] ? 1 : box.sizes[own]);
      below.dropped.push_back(dropped[i] || box.dropped[own]);
      own += !dropped[i];
    }
    return {slice.getSource(), below};
  }
  if (auto concat = dyn_cast<tensor::ConcatOp>(view)) {
    Box below = box;
    int64_t &offset = below.offsets[concat.getDim()];
    for (Value input : concat.getInputs()) {
      int64_t size = typeOf(input).getDimSize(concat.getDim());
      if (offset < size)
        return {input, below};
      offset -= size;
    }
  }
  SmallVector<Merged> groups = mergedDimensions(view);
  RankedTensorType source = typeOf(view->getOperand(0)), own = typeOf(view->getResult(0));
  if (isa<tensor::ExpandShapeOp>(view))
    return {view->getOperand(0), collapsedBox(box, own, groups)};
  return {view->getOperand(0), expandedBox(box, source, groups)};
}
