// What tables and targets refuse, one test per message; C1.. are the constraints of the attribute's description.
// RUN: muon-opt %s --verify-diagnostics --split-input-file

// C1
// expected-error@+1 {{table 'mine', row 2: expected 2 to 7 coefficients (odd degree 3 to 13), got 1}}
#negative_short_row = #muon.table<"mine", [[1.5, -0.5], [1.5]]>
func.func private @use() attributes {t = #negative_short_row}

// -----

// C1
// expected-error@+1 {{table 'mine', row 1: coefficients must be finite}}
#negative_infinite = #muon.table<"mine", [[1.5, 1.0e+999]]>
func.func private @use() attributes {t = #negative_infinite}

// -----

// C1
// expected-error@+1 {{table 'mine', row 1: the first coefficient must be positive, or small singular values change sign}}
#negative_slope = #muon.table<"mine", [[-1.5, 0.5]]>
func.func private @use() attributes {t = #negative_slope}

// -----

// C2
// expected-error@+1 {{table 'mine' has no rows}}
#negative_empty = #muon.table<"mine", []>
func.func private @use() attributes {t = #negative_empty}

// -----

// C3
// expected-error@+1 {{unknown table 'kellar'; known tables: aol_eo aol_flash cans cubic}}
#negative_unknown = #muon.table<"kellar", 5>
func.func private @use() attributes {t = #negative_unknown}

// -----

// C3
// expected-error@+1 {{table 'keller' needs at least 1 step, but 0 were asked for}}
#negative_no_step = #muon.table<"keller", 0>
func.func private @use() attributes {t = #negative_no_step}

// -----

// C3: never cycled
// expected-error@+1 {{table 'you5' has 5 rows, but 6 steps were asked for; a table is never cycled or cut}}
#negative_cycled = #muon.table<"you5", 6>
func.func private @use() attributes {t = #negative_cycled}

// -----

// C3: never cut
// expected-error@+1 {{table 'polar_express' has 8 rows, but 5 steps were asked for; it may be continued, not cut}}
#negative_cut = #muon.table<"polar_express", 5>
func.func private @use() attributes {t = #negative_cut}

// -----

// #muon.target C1
// expected-error@+1 {{expected isa fma, half, dot, amx or mma, got avx2}}
#negative_isa = #muon.target<cpu = "haswell", features = "", triple = "x86_64-unknown-linux-gnu", isa = "avx2", lanes = 16, heights = [6, 6, 4], vector = 8, l1 = 32768, l2 = 262144>
func.func private @use() attributes {t = #negative_isa}

// -----

// #muon.target C2
// expected-error@+1 {{expected positive heights that add up to 16 lanes, got 6, 6}}
#negative_heights = #muon.target<cpu = "haswell", features = "", triple = "x86_64-unknown-linux-gnu", isa = "fma", lanes = 16, heights = [6, 6], vector = 8, l1 = 32768, l2 = 262144>
func.func private @use() attributes {t = #negative_heights}

// -----

// #muon.target C2
// expected-error@+1 {{expected positive heights that add up to 16 lanes, got 16, 0}}
#negative_height = #muon.target<cpu = "haswell", features = "", triple = "x86_64-unknown-linux-gnu", isa = "fma", lanes = 16, heights = [16, 0], vector = 8, l1 = 32768, l2 = 262144>
func.func private @use() attributes {t = #negative_height}

// -----

// #muon.target C3
// expected-error@+1 {{expected a chip with isa mma and with no other, got isa fma with a chip}}
#negative_chip_of_a_processor = #muon.target<cpu = "haswell", features = "", triple = "x86_64-unknown-linux-gnu", isa = "fma", lanes = 16, heights = [6, 6, 4], vector = 8, l1 = 32768, l2 = 262144, chip = <name = "A100", multiprocessors = 108, clock = 1410, fma = 1024, shared = 167936, block_shared = 166912, registers = 65536, warps = 64, blocks = 32, l2 = 41943040, l2_rate = 6000, memory_rate = 2039>>
func.func private @use() attributes {t = #negative_chip_of_a_processor}

// -----

// #muon.target C4
// expected-error@+1 {{expected positive lanes, vector, l1 and l2, got 16, 0, 32768 and 262144}}
#negative_vector = #muon.target<cpu = "haswell", features = "", triple = "x86_64-unknown-linux-gnu", isa = "fma", lanes = 16, heights = [6, 6, 4], vector = 0, l1 = 32768, l2 = 262144>
func.func private @use() attributes {t = #negative_vector}

// -----

// #muon.operand C1
// expected-error@+1 {{expected an operand of f32, bf16, f16, f64, i32 or i64, got 'i8'}}
#negative_operand_type = #muon.operand<in, element, plain, i8, none>
func.func private @use() attributes {t = #negative_operand_type}

// -----

// #muon.operand C2
// expected-error@+1 {{expected layout columns of elements of f32, bf16 or f16 without reduction, got row, 'f32', none}}
#negative_packed_row = #muon.operand<in, row, columns, f32, none>
func.func private @use() attributes {t = #negative_packed_row}

// -----

// #muon.operand C2
// expected-error@+1 {{expected layout row_tiles of elements of bf16 without reduction, got element, 'f32', none}}
#negative_tiles = #muon.operand<in, element, row_tiles, f32, none>
func.func private @use() attributes {t = #negative_tiles}

// -----

// #muon.place C1
// expected-error@+1 {{expected argument and axes of -1 or more and no other negative number, got -2, -1, -1, 0, 0, 0, 0}}
#negative_place = #muon.place<argument = -2, row_axis = -1, column_axis = -1, offset = 0, matrix_stride = 0, row_stride = 0, column_stride = 0>
func.func private @use() attributes {t = #negative_place}

// -----

// #muon.place C2
// expected-error@+1 {{expected a place in the workspace to have no axes, got 0 and 1}}
#negative_place_axes = #muon.place<argument = -1, row_axis = 0, column_axis = 1, offset = 0, matrix_stride = 0, row_stride = 8, column_stride = 1>
func.func private @use() attributes {t = #negative_place_axes}

// -----

// #muon.target C3
// expected-error@+1 {{expected a chip with isa mma and with no other, got isa mma without one}}
#negative_no_chip = #muon.target<cpu = "sm_80", features = "", triple = "nvptx64-nvidia-cuda", isa = "mma", lanes = 32, heights = [32], vector = 4, l1 = 167936, l2 = 41943040>
func.func private @use() attributes {t = #negative_no_chip}

// -----

// #muon.chip C1
// expected-error@+1 {{expected positive numbers of chip A100 and block_shared of at most 1024, got 2048}}
#negative_chip = #muon.chip<name = "A100", multiprocessors = 108, clock = 1410, fma = 1024, shared = 1024, block_shared = 2048, registers = 65536, warps = 64, blocks = 32, l2 = 41943040, l2_rate = 6000, memory_rate = 2039>
func.func private @use() attributes {t = #negative_chip}

// -----

// #muon.band C1
// expected-error@+1 {{expected 0 < floor < 1, got 1}}
#negative_floor = #muon.band<floor = 1.0>
func.func private @use() attributes {t = #negative_floor}

// -----

// #muon.band C1
// expected-error@+1 {{expected 0 < floor < 1, got 0}}
#negative_no_floor = #muon.band<floor = 0.0>
func.func private @use() attributes {t = #negative_no_floor}

// -----

// #muon.band C2
// expected-error@+1 {{expected 0 < lower < upper < 2, got 0.68, 2}}
#negative_upper = #muon.band<floor = 0.01, lower = 0.68, upper = 2.0>
func.func private @use() attributes {t = #negative_upper}

// -----

// #muon.band C2
// expected-error@+1 {{expected 0 < lower < upper < 2, got 1.14, 0.68}}
#negative_band = #muon.band<floor = 0.01, lower = 1.14, upper = 0.68>
func.func private @use() attributes {t = #negative_band}

// -----

// #muon.request C1
// expected-error@+1 {{expected a request of version 1 at most, got version 2}}
module @negative_newer_version attributes {muon.request = #muon.request<version = 2>} {}

// -----

// #muon.request C2
// expected-error@+1 {{expected dtype f32, bf16, f16 or tf32, got 'f64'}}
module @negative_dtype attributes {muon.request = #muon.request<dtype = f64>} {}

// -----

// #muon.request C2
#negative_half = #muon.target<cpu = "x86-64-v3", features = "", triple = "x86_64-unknown-linux-gnu", isa = "fma", lanes = 16, heights = [6, 6, 4], vector = 8, l1 = 32768, l2 = 262144>
// expected-error@+1 {{expected a GPU target, or a processor with avx512_fp16 and without AMX, for operands of 'f16', got x86-64-v3}}
module @negative_half_on_a_processor attributes {muon.request = #muon.request<target = #negative_half, dtype = f16>} {}

// -----

// #muon.request C3
// expected-error@+1 {{unknown override 'colour', expected chain, form, nonfinite, pairs, parts, restarts, side or tile}}
module @negative_unknown_override attributes {muon.request = #muon.request<overrides = {colour = "red"}>} {}

// -----

// #muon.request C4
// expected-error@+1 {{override 'form': expected auto, standard or gram, got 3 : i64}}
module @negative_form attributes {muon.request = #muon.request<overrides = {form = 3}>} {}

// -----

// #muon.request C4
// expected-error@+1 {{override 'side': expected auto, left or right, got "short"}}
module @negative_side attributes {muon.request = #muon.request<overrides = {side = "short"}>} {}

// -----

// #muon.request C4
// expected-error@+1 {{override 'chain': expected auto, block or launches, got "chip"}}
module @negative_chain attributes {muon.request = #muon.request<overrides = {chain = "chip"}>} {}

// -----

// #muon.request C4
// expected-error@+1 {{override 'nonfinite': expected propagate or skip, got true}}
module @negative_nonfinite attributes {muon.request = #muon.request<overrides = {nonfinite = true}>} {}

// -----

// #muon.request C4
// expected-error@+1 {{override 'restarts': expected a list of integers, got [2.000000e+00]}}
module @negative_restarts attributes {muon.request = #muon.request<overrides = {restarts = [2.0]}>} {}

// -----

// #muon.request C4
// expected-error@+1 {{override 'tile': expected a list of integers, got 128 : i64}}
module @negative_tile attributes {muon.request = #muon.request<overrides = {tile = 128}>} {}

// -----

// #muon.request C4
// expected-error@+1 {{override 'parts': expected a positive integer, got 0 : i64}}
module @negative_parts attributes {muon.request = #muon.request<overrides = {parts = 0}>} {}
