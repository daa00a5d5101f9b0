// What a request may not ask of a step function, one test per message.
// RUN: muon-opt %s --muon-choose-form --verify-diagnostics --split-input-file

module @negative_restarts_without_gram attributes {muon.request = #muon.request<overrides = {restarts = [2]}>} {
  func.func @step(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
    // expected-error@+1 {{restarts need form gram, got none and restarts [2]}}
    %o = muon.orthogonalize %x table<"keller", 5> operands f32 : tensor<4x8xf32> -> tensor<4x8xf32>
    return %o : tensor<4x8xf32>
  }
}

// -----

module @negative_late_restart attributes {muon.request = #muon.request<overrides = {form = "gram", restarts = [5]}>} {
  func.func @step(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
    // expected-error@+1 {{expected increasing restarts between 1 and 4, got 5}}
    %o = muon.orthogonalize %x table<"keller", 5> operands f32 : tensor<4x8xf32> -> tensor<4x8xf32>
    return %o : tensor<4x8xf32>
  }
}

// -----

module @negative_damped_standard attributes {muon.request = #muon.request<overrides = {form = "standard"}>} {
  func.func @step(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
    // expected-error@+1 {{damping needs form gram and no restarts, got damping 1e-06, form standard and restarts []}}
    %o = muon.orthogonalize %x table<"cubic", 6> operands f32 norm trace damping 1.0e-6 : tensor<4x8xf32> -> tensor<4x8xf32>
    return %o : tensor<4x8xf32>
  }
}

// -----

module @negative_exact_gram attributes {muon.request = #muon.request<overrides = {form = "gram"}>} {
  func.func @step(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
    // expected-error@+1 {{accuracy exact needs form standard, got gram}}
    %o = muon.orthogonalize %x table<"pade", 12> accuracy exact : tensor<4x8xf32> -> tensor<4x8xf32>
    return %o : tensor<4x8xf32>
  }
}

// -----

module @negative_exact_bf16 attributes {muon.request = #muon.request<dtype = bf16>} {
  func.func @step(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
    // expected-error@+1 {{accuracy exact and damping need operands f32, got 'bf16'}}
    %o = muon.orthogonalize %x table<"pade", 12> accuracy exact : tensor<4x8xf32> -> tensor<4x8xf32>
    return %o : tensor<4x8xf32>
  }
}

// -----

module @negative_half_on_a_processor attributes {muon.request = #muon.request<target = #muon.target<cpu = "x86-64-v3", features = "", triple = "x86_64-unknown-linux-gnu", isa = "fma", lanes = 16, heights = [6, 6, 4], vector = 8, l1 = 32768, l2 = 262144>>} {
  func.func @step(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
    // expected-error@+1 {{expected a GPU target, or a processor with avx512_fp16 and without AMX, for operands of 'f16', got x86-64-v3}}
    %o = muon.orthogonalize %x table<"keller", 5> operands f16 : tensor<4x8xf32> -> tensor<4x8xf32>
    return %o : tensor<4x8xf32>
  }
}

// -----

module @negative_diverging_in_bf16 attributes {muon.request = #muon.request<dtype = bf16>} {
  func.func @step(%x: tensor<64x128xf32>) -> tensor<64x128xf32> {
    // expected-error@+1 {{table "polar_express" diverges on (0, 1] with operands 'bf16': expected an error of at most 1, emulation finds}}
    %o = muon.orthogonalize %x table<"polar_express", 8> : tensor<64x128xf32> -> tensor<64x128xf32>
    return %o : tensor<64x128xf32>
  }
}
