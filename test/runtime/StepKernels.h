/* Hand-written tile functions of a small step that has what real ones have: a predicate, a state,
 * products that read what all tiles of the stage before wrote, scalars, a metric, random counters.
 *
 *   probe:  flag = G has a non-finite element          (the first tile does it alone)
 *   absorb: M = mu M + G, X = M                        (unless flag)
 *   mix:    Y = X / 2 + (sum of X's rows) / 4m         (unless flag), any number of times
 *   apply:  W = W - lr Y, metric = Y[0][0] + parameter (unless flag)
 *
 * sizes: rows, columns, rows of a tile. Scalars: lr, mu. */
#ifndef MUON_TEST_STEPKERNELS_H
#define MUON_TEST_STEPKERNELS_H

#include "muon_runtime.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A gradient's element that says the step has nothing to do for its matrix. */
#define DONE 1024.0f

void probe_tile(const muon_launch *, const muon_binding *, void *, void *, uint32_t);
void absorb_tile(const muon_launch *, const muon_binding *, void *, void *, uint32_t);
void mix_tile(const muon_launch *, const muon_binding *, void *, void *, uint32_t);
void apply_tile(const muon_launch *, const muon_binding *, void *, void *, uint32_t);

/* Called at the start of every tile if set. */
extern void (*tile_hook)(const muon_launch *launch, void *scratch, uint32_t tile);

/* Checks that a C compiler sees the layout the compiler writes; returns the number of errors. */
int header_errors_in_c(void);

#ifdef __cplusplus
}
#endif
#endif
