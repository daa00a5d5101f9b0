// Kernels this room does not compute, one test per message.
// RUN: muon-opt %s --muon-lower-kernels --verify-diagnostics --split-input-file

// expected-error@+1 {{expected one muon.variant or a muon.request with a target, got 0 variants}}
module @negative_no_target {
  muon.kernel @copy sweep operands [#muon.operand<in, element, plain, f32, none>, #muon.operand<out, element, plain, f32, none>]
      scalars [] [] coefficients 0 {
  ^bb0(%x: f32):
    muon.yield %x : f32
  }
}

// -----

module attributes {muon.request = #muon.request<target = #muon.target<cpu = "x86-64-v3", features = "", triple = "x86_64-unknown-linux-gnu", isa = "fma", lanes = 16, heights = [6, 6, 4], vector = 8, l1 = 32768, l2 = 262144>>} {
  // expected-error@+1 {{f16 is kept in panels only}}
  muon.kernel @negative_f16 sweep operands [#muon.operand<in, element, plain, f16, none>, #muon.operand<out, element, plain, f16, none>]
      scalars [] [] coefficients 0 {
  ^bb0(%x: f16):
    muon.yield %x : f16
  }
}

// -----

module attributes {muon.request = #muon.request<target = #muon.target<cpu = "x86-64", features = "", triple = "x86_64-unknown-linux-gnu", isa = "half", lanes = 32, heights = [8, 8, 8, 8], vector = 16, l1 = 32768, l2 = 262144>>} {
  // expected-error@+1 {{this processor has no conversions of f16}}
  muon.kernel @negative_conversions sweep operands [#muon.operand<in, element, columns, f16, none>, #muon.operand<out, element, columns, f16, none>]
      scalars [] [] coefficients 0 {
  ^bb0(%x: f16):
    muon.yield %x : f16
  }
}

// -----

module attributes {muon.request = #muon.request<target = #muon.target<cpu = "sapphirerapids", features = "-amx-tile,-amx-int8,-amx-bf16", triple = "x86_64-unknown-linux-gnu", isa = "half", lanes = 32, heights = [8, 8, 8, 8], vector = 16, l1 = 49152, l2 = 2097152>>} {
  muon.kernel @negative_bits sweep operands [#muon.operand<in, element, columns, f16, none>, #muon.operand<out, element, columns, f16, none>]
      scalars [] [] coefficients 0 {
  ^bb0(%x: f16):
    // expected-error@+1 {{reinterprets an f16, which is not computed on CPUs}}
    %bits = arith.bitcast %x : f16 to i16
    %y = arith.bitcast %bits : i16 to f16
    muon.yield %y : f16
  }
}

// -----

module attributes {muon.request = #muon.request<target = #muon.target<cpu = "x86-64-v3", features = "", triple = "x86_64-unknown-linux-gnu", isa = "fma", lanes = 16, heights = [6, 6, 4], vector = 8, l1 = 32768, l2 = 262144>>} {
  // expected-error@+1 {{elements are f32, bf16 or f16}}
  muon.kernel @negative_f64_elements sweep operands [#muon.operand<in, element, plain, f64, none>, #muon.operand<out, element, plain, f64, none>]
      scalars [] [] coefficients 0 {
  ^bb0(%x: f64):
    muon.yield %x : f64
  }
}

// -----

module attributes {muon.request = #muon.request<target = #muon.target<cpu = "x86-64-v3", features = "", triple = "x86_64-unknown-linux-gnu", isa = "fma", lanes = 16, heights = [6, 6, 4], vector = 8, l1 = 32768, l2 = 262144>>} {
  // expected-error@+1 {{values per column are f32 or bf16}}
  muon.kernel @negative_f64_columns sweep operands [#muon.operand<in, element, plain, f32, none>, #muon.operand<in, column, plain, f64, none>, #muon.operand<out, element, plain, f32, none>]
      scalars [] [] coefficients 0 {
  ^bb0(%x: f32, %c: f64):
    %narrow = arith.truncf %c : f64 to f32
    %y = arith.mulf %x, %narrow : f32
    muon.yield %y : f32
  }
}

// -----

module attributes {muon.request = #muon.request<target = #muon.target<cpu = "x86-64-v3", features = "", triple = "x86_64-unknown-linux-gnu", isa = "fma", lanes = 16, heights = [6, 6, 4], vector = 8, l1 = 32768, l2 = 262144>>} {
  // expected-error@+1 {{results per column are not computed}}
  muon.kernel @negative_column_result sweep operands [#muon.operand<in, element, plain, f32, none>, #muon.operand<out, column, plain, f32, add>]
      scalars [] [] coefficients 0 {
  ^bb0(%x: f32):
    muon.yield %x : f32
  }
}

// -----

module attributes {muon.request = #muon.request<target = #muon.target<cpu = "x86-64-v3", features = "", triple = "x86_64-unknown-linux-gnu", isa = "fma", lanes = 16, heights = [6, 6, 4], vector = 8, l1 = 32768, l2 = 262144>>} {
  // expected-error@+1 {{a product's block does not hold whole rows}}
  muon.kernel @negative_product_row_sums product of f32 operands [#muon.operand<in, element, columns, f32, none>, #muon.operand<in, element, columns, f32, none>, #muon.operand<out, row, plain, f32, add>]
      scalars [] [] coefficients 0 {
  ^bb0(%x: f32):
    muon.yield %x : f32
  }
}

// -----

module attributes {muon.request = #muon.request<target = #muon.target<cpu = "x86-64-v3", features = "", triple = "x86_64-unknown-linux-gnu", isa = "fma", lanes = 16, heights = [6, 6, 4], vector = 8, l1 = 32768, l2 = 262144>>} {
  // expected-error@+1 {{the value differs between columns and is not reduced}}
  muon.kernel @negative_row_value sweep operands [#muon.operand<in, element, plain, f32, none>, #muon.operand<out, row, plain, f32, none>]
      scalars [] [] coefficients 0 {
  ^bb0(%x: f32):
    muon.yield %x : f32
  }
}

// -----

module attributes {muon.request = #muon.request<target = #muon.target<cpu = "x86-64-v3", features = "", triple = "x86_64-unknown-linux-gnu", isa = "fma", lanes = 16, heights = [6, 6, 4], vector = 8, l1 = 32768, l2 = 262144>>} {
  // expected-error@+1 {{the value differs between elements and is not reduced}}
  muon.kernel @negative_scalar_value sweep operands [#muon.operand<in, element, plain, f32, none>, #muon.operand<out, scalar, plain, f32, none>]
      scalars [] [] coefficients 0 {
  ^bb0(%x: f32):
    muon.yield %x : f32
  }
}

// -----

module attributes {muon.request = #muon.request<target = #muon.target<cpu = "x86-64-v3", features = "", triple = "x86_64-unknown-linux-gnu", isa = "fma", lanes = 16, heights = [6, 6, 4], vector = 8, l1 = 32768, l2 = 262144>>} {
  // expected-error@+1 {{cannot multiply #muon.operand<in, element, rows, f32, none> by #muon.operand<in, element, columns, bf16, none>}}
  muon.kernel @negative_panel_types product of f32 operands [#muon.operand<in, element, rows, f32, none>, #muon.operand<in, element, columns, bf16, none>, #muon.operand<out, element, plain, f32, none>]
      scalars [] [] coefficients 0 {
  ^bb0(%x: f32):
    muon.yield %x : f32
  }
}

// -----

module attributes {muon.request = #muon.request<target = #muon.target<cpu = "x86-64-v3", features = "", triple = "x86_64-unknown-linux-gnu", isa = "amx", lanes = 16, heights = [6, 6, 4], vector = 8, l1 = 32768, l2 = 262144>>} {
  // expected-error@+1 {{tiles need bf16 and panels of 32 lanes}}
  muon.kernel @negative_narrow_tiles product of bf16 operands [#muon.operand<in, element, row_tiles, bf16, none>, #muon.operand<in, element, columns, bf16, none>, #muon.operand<out, element, plain, f32, none>]
      scalars [] [] coefficients 0 {
  ^bb0(%x: f32):
    muon.yield %x : f32
  }
}

// -----

module attributes {muon.request = #muon.request<target = #muon.target<cpu = "x86-64-v3", features = "", triple = "x86_64-unknown-linux-gnu", isa = "fma", lanes = 12, heights = [6, 6], vector = 8, l1 = 32768, l2 = 262144>>} {
  // expected-error@+1 {{panels of 12 lanes}}
  muon.kernel @negative_panel_lanes product of f32 operands [#muon.operand<in, element, rows, f32, none>, #muon.operand<in, element, columns, f32, none>, #muon.operand<out, element, plain, f32, none>]
      scalars [] [] coefficients 0 {
  ^bb0(%x: f32):
    muon.yield %x : f32
  }
}

// -----

module attributes {muon.request = #muon.request<target = #muon.target<cpu = "x86-64-v3", features = "", triple = "x86_64-unknown-linux-gnu", isa = "fma", lanes = 16, heights = [6, 6, 4], vector = 8, l1 = 32768, l2 = 262144>>} {
  muon.kernel @negative_sine sweep operands [#muon.operand<in, element, plain, f32, none>, #muon.operand<out, element, plain, f32, none>]
      scalars [] [] coefficients 0 {
  ^bb0(%x: f32):
    // expected-error@+1 {{has no instruction sequence in CPU kernels}}
    %s = math.sin %x : f32
    muon.yield %s : f32
  }
}

// -----

module attributes {muon.request = #muon.request<target = #muon.target<cpu = "x86-64-v3", features = "", triple = "x86_64-unknown-linux-gnu", isa = "fma", lanes = 16, heights = [6, 6, 4], vector = 8, l1 = 32768, l2 = 262144>>} {
  muon.kernel @negative_exponent sweep operands [#muon.operand<in, element, plain, f32, none>, #muon.operand<out, element, plain, f32, none>]
      scalars [] [] coefficients 0 {
  ^bb0(%x: f32):
    %i = arith.fptosi %x : f32 to i64
    // expected-error@+1 {{needs an exponent that is the same for all elements}}
    %s = math.fpowi %x, %i : f32, i64
    muon.yield %s : f32
  }
}

// -----

module attributes {muon.request = #muon.request<target = #muon.target<cpu = "x86-64-v3", features = "", triple = "x86_64-unknown-linux-gnu", isa = "fma", lanes = 16, heights = [6, 6, 4], vector = 8, l1 = 32768, l2 = 262144>>} {
  muon.kernel @negative_chain chain of bf16 operands [#muon.operand<in, element, padded, bf16, none>, #muon.operand<out, element, padded, f32, none>]
      scalars [] [] coefficients 0 tile [32] {
  ^bb0(%r: bf16):
    // expected-error@+1 {{has no instruction sequence in CPU kernels}}
    %s = muon.contract %r, %r : bf16
    muon.yield %s : f32
  }
}
