//===- Load.cpp - from a program to a handle -------------------------------------------------===//

#include "CheckProgram.h"
#include "CpuFeatures.h"
#include "Handle.h"
#include "Pool.h"
#include "WorkerCount.h"

#include <dlfcn.h>
#include <new>
#include <stdlib.h>

using namespace muon::runtime;

static const char *targetOf(const muon_variant &variant) {
  return variant.target ? variant.target : "?";
}

/// A variant without tile functions is made for a GPU.
static bool isForCpu(const muon_variant &variant) {
  for (uint32_t s = 0; s < variant.num_stages; ++s)
    for (uint32_t l = 0; l < variant.stages[s].num_launches; ++l)
      if (!variant.stages[s].launches[l].function)
        return false;
  return true;
}

/// Appends why the variant cannot run here; false if it can.
static bool appendObstacle(const muon_variant &variant, Line &text) {
  if (!isForCpu(variant)) {
    text.append("'%s' is not for a CPU", targetOf(variant));
    return true;
  }
  Line missing;
  unsigned count = missingCpuFeatures(variant.features, missing);
  if (count)
    text.append("'%s' needs %s", targetOf(variant), missing.text);
  return count != 0;
}

static muon_status pickVariant(const muon_program &program, uint32_t asked,
                               const muon_variant **picked) {
  Line obstacles;
  if (asked) {
    if (asked > program.num_variants)
      return fail(MUON_ERROR_ARGUMENT, "variant %u was asked for; program '%s' has %u", asked,
                  program.name, program.num_variants);
    if (appendObstacle(program.variants[asked - 1], obstacles))
      return fail(MUON_ERROR_TARGET, "this processor lacks a feature: variant %s", obstacles.text);
    *picked = &program.variants[asked - 1];
    return MUON_OK;
  }
  const muon_variant *best = nullptr;
  for (uint32_t v = 0; v < program.num_variants; ++v) {
    const muon_variant &variant = program.variants[v];
    if (best && best->preference >= variant.preference)
      continue;
    if (obstacles.length)
      obstacles.append("; ");
    if (!appendObstacle(variant, obstacles))
      best = &variant;
  }
  if (!best)
    return fail(MUON_ERROR_TARGET, "no variant of program '%s' runs on this processor: %s",
                program.name, obstacles.text);
  *picked = best;
  return MUON_OK;
}

static muon_status query(muon_program_query function, const muon_program **program) {
  *program = function(MUON_ABI_VERSION);
  if (!*program)
    return fail(MUON_ERROR_ABI, "the program was not built for ABI version %u", MUON_ABI_VERSION);
  if ((*program)->abi_version != MUON_ABI_VERSION)
    return fail(MUON_ERROR_ABI, "the program has ABI version %u; this runtime has %u",
                (*program)->abi_version, MUON_ABI_VERSION);
  return MUON_OK;
}

static void destroy(muon_handle *handle) {
  handle->~muon_handle();
  free(handle);
}

/// Makes the handle, with a plan for its workers, and starts or borrows them.
static muon_status makeHandle(const muon_program *program, const muon_variant *variant,
                              const muon_options *options, muon_handle **handle) {
  uint32_t workers = options && options->workers ? options->workers : defaultWorkers();
  if (workers > pool::kMaxWorkers)
    workers = pool::kMaxWorkers;
  void *memory = nullptr;
  if (posix_memalign(&memory, alignof(muon_handle), sizeof(muon_handle)))
    return fail(MUON_ERROR_MEMORY, "no memory for a handle");
  muon_handle *made = new (memory) muon_handle;
  made->program = program;
  made->variant = variant;
  made->workers = workers;
  made->parallel = options ? options->parallel : nullptr;
  made->pool = options ? options->pool : nullptr;
  if (!planWaves(*program, *variant, workers, made->plan)) {
    destroy(made);
    return fail(MUON_ERROR_MEMORY, "no memory for the plan of program '%s'", program->name);
  }
  if (!made->parallel && !pool::retain(workers)) {
    destroy(made);
    return fail(MUON_ERROR_MEMORY, "the system refused a thread: %u workers were wanted", workers);
  }
  *handle = made;
  return MUON_OK;
}

namespace muon::runtime {
void retainHandle(muon_handle *handle) { handle->users.fetch_add(1, std::memory_order_relaxed); }

void releaseHandle(muon_handle *handle) {
  if (handle->users.fetch_sub(1, std::memory_order_acq_rel) != 1)
    return;
  if (!handle->parallel)
    pool::release();
  if (handle->library)
    dlclose(handle->library);
  destroy(handle);
}
} // namespace muon::runtime

extern "C" {

uint32_t muon_abi_version(void) { return MUON_ABI_VERSION; }

muon_status muon_load(muon_program_query function, const muon_options *options,
                      muon_handle **handle) {
  if (!function || !handle)
    return fail(MUON_ERROR_ARGUMENT, "muon_load: query and handle must not be null");
  *handle = nullptr;
  const muon_program *program = nullptr;
  const muon_variant *variant = nullptr;
  muon_status status = query(function, &program);
  if (!status)
    status = checkProgram(*program);
  if (!status)
    status = pickVariant(*program, options ? options->variant : 0, &variant);
  if (!status)
    status = checkVariant(*program, *variant);
  return status ? status : makeHandle(program, variant, options, handle);
}

muon_status muon_load_library(const char *path, const char *symbol, const muon_options *options,
                              muon_handle **handle) {
  if (!path || !symbol || !handle)
    return fail(MUON_ERROR_ARGUMENT, "muon_load_library: path, symbol and handle must not be null");
  *handle = nullptr;
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!library)
    return fail(MUON_ERROR_FILE, "cannot open '%s': %s", path, dlerror());
  void *address = dlsym(library, symbol);
  if (!address) {
    dlclose(library);
    return fail(MUON_ERROR_FILE, "'%s' has no program '%s'", path, symbol);
  }
  muon_status status = muon_load(reinterpret_cast<muon_program_query>(address), options, handle);
  if (status)
    dlclose(library);
  else
    (*handle)->library = library;
  return status;
}

void muon_unload(muon_handle *handle) {
  if (handle)
    releaseHandle(handle);
}

const muon_program *muon_describe(const muon_handle *handle) {
  return handle ? handle->program : nullptr;
}

const muon_variant *muon_variant_in_use(const muon_handle *handle) {
  return handle ? handle->variant : nullptr;
}

uint32_t muon_workers(const muon_handle *handle) { return handle ? handle->workers : 0; }

uint64_t muon_workspace_size(const muon_handle *handle) {
  return handle ? handle->plan.workspaceBytes : 0;
}
}
