//===- Load.cpp - from a program to a handle --------------------------------------------------===//

#include "CheckProgram.h"
#include "CpuFeatures.h"
#include "Handle.h"
#include "Pool.h"
#include "WorkerCount.h"

#include <dlfcn.h>
#include <elf.h>
#include <new>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

using namespace muon::runtime;

static const char *targetOf(const muon_variant &variant) { return variant.target ? variant.target : "?"; }

/// Whether every launch has a tile function.
static bool isForCpu(const muon_variant &variant) {
  for (uint32_t s = 0; s < variant.num_stages; ++s)
    for (uint32_t l = 0; l < variant.stages[s].num_launches; ++l)
      if (!variant.stages[s].launches[l].function)
        return false;
  return true;
}

/// Appends why the variant cannot run on this machine; false if it can.
static bool appendObstacle(const muon_variant &variant, Line &text) {
  if (isForCuda(variant)) {
    CudaProgram probe;
    return !findCudaDevice(variant, probe, text);
  }
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

/// The variant with the highest preference among those for CUDA, or those for the CPU, that run
/// here; null if there is none.
static const muon_variant *pickAmong(const muon_program &program, bool cuda, Line &obstacles) {
  const muon_variant *best = nullptr;
  for (uint32_t v = 0; v < program.num_variants; ++v) {
    const muon_variant &variant = program.variants[v];
    if (isForCuda(variant) != cuda || (best && best->preference >= variant.preference))
      continue;
    if (obstacles.length)
      obstacles.append("; ");
    if (!appendObstacle(variant, obstacles))
      best = &variant;
  }
  return best;
}

/// Without a wish the CPU comes first: where a trainer's tensors are is for the trainer to say.
static muon_status pickVariant(const muon_program &program, uint32_t asked, const muon_variant **picked) {
  Line obstacles;
  if (asked) {
    if (asked > program.num_variants)
      return fail(MUON_ERROR_ARGUMENT, "variant %u was asked for; program '%s' has %u", asked, program.name,
                  program.num_variants);
    const muon_variant &variant = program.variants[asked - 1];
    if (appendObstacle(variant, obstacles))
      return fail(MUON_ERROR_TARGET, isForCuda(variant) ? "variant %s" : "this processor lacks a feature: variant %s",
                  obstacles.text);
    *picked = &variant;
    return MUON_OK;
  }
  *picked = pickAmong(program, false, obstacles);
  if (!*picked)
    *picked = pickAmong(program, true, obstacles);
  if (!*picked)
    return fail(MUON_ERROR_TARGET, "no variant of program '%s' runs on this processor: %s", program.name,
                obstacles.text);
  return MUON_OK;
}

/// An ABI version that the program answers to, 0 if it is none of the first hundred.
static uint32_t versionOf(muon_program_query function) {
  for (uint32_t version = 1; version <= 100; ++version)
    if (function(version))
      return version;
  return 0;
}

static muon_status query(muon_program_query function, const muon_program **program) {
  *program = function(MUON_ABI_VERSION);
  if (!*program) {
    if (uint32_t version = versionOf(function))
      return fail(MUON_ERROR_ABI, "the program was built for ABI version %u; this runtime has %u", version,
                  MUON_ABI_VERSION);
    return fail(MUON_ERROR_ABI, "the program answers to no ABI version; this runtime has %u", MUON_ABI_VERSION);
  }
  if ((*program)->abi_version != MUON_ABI_VERSION)
    return fail(MUON_ERROR_ABI, "the program has ABI version %u; this runtime has %u", (*program)->abi_version,
                MUON_ABI_VERSION);
  return MUON_OK;
}

static void destroy(muon_handle *handle) {
  if (handle->cuda) {
    handle->cuda->~CudaProgram();
    free(handle->cuda);
  }
  handle->~muon_handle();
  free(handle);
}

/// Allocates an object that destroy() frees.
template <typename T> static T *make() {
  void *memory = nullptr;
  return posix_memalign(&memory, alignof(T), sizeof(T)) ? nullptr : new (memory) T;
}

static muon_status makeCuda(muon_handle &handle) {
  handle.cuda = make<CudaProgram>();
  if (!handle.cuda)
    return fail(MUON_ERROR_MEMORY, "no memory for a handle");
  Line obstacle;
  if (!findCudaDevice(*handle.variant, *handle.cuda, obstacle))
    return fail(MUON_ERROR_TARGET, "variant %s", obstacle.text);
  return loadCudaProgram(*handle.program, *handle.variant, *handle.cuda);
}

/// Makes the handle, with a plan for its workers, and starts or borrows them. A GPU has none.
static muon_status makeHandle(const muon_program *program, const muon_variant *variant, const muon_options *options,
                              muon_handle **handle) {
  uint32_t workers = options && options->workers ? options->workers : defaultWorkers();
  if (workers > pool::kMaxWorkers)
    workers = pool::kMaxWorkers;
  bool cuda = isForCuda(*variant);
  muon_handle *made = make<muon_handle>();
  if (!made)
    return fail(MUON_ERROR_MEMORY, "no memory for a handle");
  made->program = program;
  made->variant = variant;
  made->workers = cuda ? 0 : workers;
  made->parallel = options && !cuda ? options->parallel : nullptr;
  made->pool = options ? options->pool : nullptr;
  if (!planWaves(*program, *variant, made->workers, made->plan)) {
    destroy(made);
    return fail(MUON_ERROR_MEMORY, "no memory for the plan of program '%s'", program->name);
  }
  if (cuda) {
    if (muon_status status = makeCuda(*made)) {
      destroy(made);
      return status;
    }
  } else if (!made->parallel && !pool::retain(workers)) {
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
  if (!handle->parallel && !handle->cuda)
    pool::release();
  if (handle->library)
    dlclose(handle->library);
  destroy(handle);
}
} // namespace muon::runtime

extern "C" {

uint32_t muon_abi_version(void) { return MUON_ABI_VERSION; }

muon_status muon_load(muon_program_query function, const muon_options *options, muon_handle **handle) {
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

/// ELF's number of the architecture a file's code is for; 0 if the file cannot be read or has no such code. The loader
/// passes over libraries for another one and reports that there is no such file.
static uint16_t machineOf(const char *path) {
  Elf64_Ehdr header = {};
  FILE *file = fopen(path, "rb");
  if (!file)
    return 0;
  size_t read = fread(&header, sizeof header, 1, file);
  fclose(file);
  return read && !memcmp(header.e_ident, ELFMAG, SELFMAG) ? header.e_machine : 0;
}

static Line machineName(uint16_t machine) {
  Line name;
  switch (machine) {
  case EM_X86_64:
    name.append("x86-64");
    break;
  case EM_AARCH64:
    name.append("aarch64");
    break;
  default:
    name.append("ELF machine %u", machine);
  }
  return name;
}

muon_status muon_load_library(const char *path, const char *symbol, const muon_options *options, muon_handle **handle) {
  if (!path || !symbol || !handle)
    return fail(MUON_ERROR_ARGUMENT, "muon_load_library: path, symbol and handle must not be null");
  *handle = nullptr;
  if (uint16_t machine = machineOf(path), own = machineOf("/proc/self/exe"); machine && own && machine != own)
    return fail(MUON_ERROR_TARGET, "'%s' is for %s, this process for %s", path, machineName(machine).text,
                machineName(own).text);
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

const muon_program *muon_describe(const muon_handle *handle) { return handle ? handle->program : nullptr; }

const muon_variant *muon_variant_in_use(const muon_handle *handle) { return handle ? handle->variant : nullptr; }

uint32_t muon_workers(const muon_handle *handle) { return handle ? handle->workers : 0; }

uint64_t muon_workspace_size(const muon_handle *handle) {
  if (!handle)
    return 0;
  return handle->cuda ? handle->cuda->tables.end : handle->plan.workspaceBytes;
}
}
