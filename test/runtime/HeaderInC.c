/* The header is C11, and the structs have the layout the compiler writes. */
#include "StepKernels.h"
#include "muon_runtime.h"

#if !defined(__STDC_VERSION__) || __STDC_VERSION__ != 201112L
#error "this file checks the header as C11"
#endif

#define OFFSET(type, member, bytes) _Static_assert(offsetof(type, member) == bytes, #type "." #member " moved")
#define SIZE(type, bytes) _Static_assert(sizeof(type) == bytes, #type " changed its size")

#include "Layout.def"

int header_errors_in_c(void) { return MUON_ABI_VERSION == 3u ? 0 : 1; }
