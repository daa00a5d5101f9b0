//===- CudaProgram.cpp ------------------------------------------------------------------------===//

#include "CudaProgram.h"

#include "CheckProgram.h"

#include <string.h>

namespace muon::runtime {

static constexpr uint64_t kTableAlignment = 256;

CudaProgram::~CudaProgram() {
  if (module) {
    CudaScope scope(*this);
    driver.moduleUnload(module);
  }
  if (retained)
    driver.primaryContextRelease(device);
}

/// The number in "sm_86" or "sm_90a", 0 for anything else.
static int chipNumber(const char *chip) {
  if (!chip || strncmp(chip, "sm_", 3))
    return 0;
  int number = 0;
  for (chip += 3; *chip >= '0' && *chip <= '9'; ++chip)
    number = 10 * number + (*chip - '0');
  return *chip && strcmp(chip, "a") ? 0 : number;
}

/// Machine code runs on its own and later minor versions, PTX and bitcode on anything later; with
/// the features of one architecture ("a") only on that.
static bool runsOn(const muon_image &image, int device) {
  int chip = chipNumber(image.chip);
  if (!chip)
    return false;
  if (image.chip[strlen(image.chip) - 1] == 'a')
    return chip == device;
  if (image.kind == MUON_IMAGE_CUBIN)
    return chip / 10 == device / 10 && chip <= device;
  return chip <= device;
}

/// The image to hand to the driver: bitcode to the emulator, else machine code before PTX, and of
/// equals the latest chip.
static const muon_image *pickImage(const muon_variant &variant, bool emulated, int device) {
  const muon_image *best = nullptr;
  for (uint32_t i = 0; i < variant.num_images; ++i) {
    const muon_image &image = variant.images[i];
    if ((image.kind == MUON_IMAGE_BITCODE) != emulated || !runsOn(image, device))
      continue;
    if (!best || image.kind < best->kind ||
        (image.kind == best->kind && chipNumber(image.chip) > chipNumber(best->chip)))
      best = &image;
  }
  return best;
}

static int capability(const CudaProgram &cuda) {
  int major = 0, minor = 0;
  cuda.driver.deviceGetAttribute(&major, kCapabilityMajor, cuda.device);
  cuda.driver.deviceGetAttribute(&minor, kCapabilityMinor, cuda.device);
  return 10 * major + minor;
}

static bool findDevice(const muon_variant &variant, CudaProgram &cuda, Line &text) {
  if (!openCudaDriver(cuda.driver, text))
    return false;
  const CudaDriver &driver = cuda.driver;
  CudaResult error = driver.contextGetCurrent(&cuda.context);
  if (!error && cuda.context) {
    error = driver.contextGetDevice(&cuda.device);
  } else if (!error) {
    error = driver.deviceGet(&cuda.device, 0);
    if (!error)
      error = driver.primaryContextRetain(&cuda.context, cuda.device);
    cuda.retained = !error;
  }
  if (error) {
    text.append("no CUDA device can be used: %s", driver.nameOf(error));
    return false;
  }
  int chip = capability(cuda);
  bool emulated = driver.emulatorModuleLoad;
  if (pickImage(variant, emulated, chip))
    return true;
  text.append(emulated ? "no bitcode for the emulated GPU, which is sm_%d" : "no image for this GPU, which is sm_%d",
              chip);
  return false;
}

bool findCudaDevice(const muon_variant &variant, CudaProgram &cuda, Line &text) {
  Line reason;
  bool found = findDevice(variant, cuda, reason);
  if (!found)
    text.append("'%s': %s", variant.target ? variant.target : "?", reason.text);
  return found;
}

/// Orders the launches by stage and kernel.
static muon_status listLaunches(const muon_variant &variant, CudaProgram &cuda) {
  uint64_t launches = 0;
  for (uint32_t s = 0; s < variant.num_stages; ++s)
    launches += variant.stages[s].num_launches;
  Array<CudaLaunch> all;
  if (!cuda.order.allocate(launches) || !all.allocate(launches))
    return fail(MUON_ERROR_MEMORY, "no memory for %llu launches", static_cast<unsigned long long>(launches));
  uint64_t merged = 0, placed = 0;
  for (uint32_t s = 0; s < variant.num_stages; ++s) {
    const muon_stage &stage = variant.stages[s];
    for (uint32_t l = 0; l < stage.num_launches; ++l) {
      const muon_launch &launch = stage.launches[l];
      bool seen = false;
      for (uint32_t earlier = 0; earlier < l; ++earlier)
        seen |= !strcmp(stage.launches[earlier].kernel, launch.kernel);
      if (seen)
        continue;
      CudaLaunch &made = all[merged++];
      made.kernel = launch.kernel;
      made.first = placed;
      made.threads = launch.block_threads;
      made.sharedBytes = launch.shared_bytes;
      for (uint32_t same = l; same < stage.num_launches; ++same)
        if (!strcmp(stage.launches[same].kernel, launch.kernel))
          cuda.order[placed++] = &stage.launches[same];
      made.count = static_cast<uint32_t>(placed - made.first);
    }
  }
  if (!cuda.launches.allocate(merged))
    return fail(MUON_ERROR_MEMORY, "no memory for %llu launches", static_cast<unsigned long long>(merged));
  for (uint64_t i = 0; i < merged; ++i)
    cuda.launches[i] = all[i];
  return MUON_OK;
}

/// Counts the blocks of every launch; a grid has fewer than 2^31.
static muon_status countBlocks(const muon_program &program, CudaProgram &cuda) {
  for (CudaLaunch &launch : cuda.launches) {
    uint64_t blocks = 0;
    for (uint64_t i = launch.first; i < launch.first + launch.count; ++i) {
      const muon_launch &part = *cuda.order[i];
      blocks += matricesOf(program.groups[part.group]) * part.tiles_per_matrix;
      if (part.block_threads != launch.threads || part.shared_bytes != launch.sharedBytes)
        return fail(
            MUON_ERROR_ABI,
            "program '%s' is malformed: a launch of kernel '%s' has blocks of %u threads and %u bytes of shared "
            "memory, expected %u and %u as in the stage's first",
            program.name, launch.kernel, part.block_threads, part.shared_bytes, launch.threads, launch.sharedBytes);
    }
    if (blocks > INT32_MAX)
      return fail(MUON_ERROR_ABI, "program '%s' is malformed: kernel '%s' has %llu blocks, expected at most %d",
                  program.name, launch.kernel, static_cast<unsigned long long>(blocks), INT32_MAX);
    launch.blocks = static_cast<uint32_t>(blocks);
  }
  return MUON_OK;
}

static uint64_t alignTable(uint64_t bytes) { return (bytes + kTableAlignment - 1) / kTableAlignment * kTableAlignment; }

static void layOutTables(const muon_program &program, const muon_variant &variant, CudaProgram &cuda) {
  CudaTables &tables = cuda.tables;
  tables.begin = alignTable(variant.workspace_bytes);
  tables.scalars = alignTable(tables.begin + program.num_parameters * sizeof(void *));
  tables.launches =
      alignTable(tables.scalars + uint64_t(program.num_scalar_sets) * program.num_scalars * sizeof(muon_scalar));
  tables.constants = alignTable(tables.launches + cuda.order.size() * sizeof(muon_device_launch));
  uint64_t constants = 0, items = 0;
  for (const muon_launch *launch : cuda.order) {
    constants += launch->num_coefficients * sizeof(double);
    items += matricesOf(program.groups[launch->group]) *
             (sizeof(muon_device_item) + launch->num_operands * sizeof(muon_view));
  }
  tables.items = alignTable(tables.constants + constants);
  tables.end = tables.items + items;
}

/// Finds the kernels in the module and asks for the shared memory they need.
static muon_status findKernels(CudaProgram &cuda) {
  const CudaDriver &driver = cuda.driver;
  for (CudaLaunch &launch : cuda.launches) {
    if (CudaResult error = driver.moduleGetFunction(&launch.function, cuda.module, launch.kernel))
      return fail(MUON_ERROR_DEVICE, "the image has no kernel '%s': %s", launch.kernel, driver.nameOf(error));
    int threads = 0;
    if (CudaResult error = driver.functionGetAttribute(&threads, kMaxThreadsPerBlock, launch.function))
      return fail(MUON_ERROR_DEVICE, "cuFuncGetAttribute of kernel '%s' failed: %s", launch.kernel,
                  driver.nameOf(error));
    if (launch.threads > static_cast<uint32_t>(threads))
      return fail(MUON_ERROR_DEVICE, "kernel '%s' wants blocks of %u threads, it can have %d", launch.kernel,
                  launch.threads, threads);
    CudaResult error =
        driver.functionSetAttribute(launch.function, kMaxDynamicSharedBytes, static_cast<int>(launch.sharedBytes));
    if (error)
      return fail(MUON_ERROR_DEVICE, "kernel '%s' wants %u bytes of shared memory: %s", launch.kernel,
                  launch.sharedBytes, driver.nameOf(error));
  }
  return MUON_OK;
}

muon_status loadCudaProgram(const muon_program &program, const muon_variant &variant, CudaProgram &cuda) {
  muon_status status = listLaunches(variant, cuda);
  if (!status)
    status = countBlocks(program, cuda);
  if (status)
    return status;
  layOutTables(program, variant, cuda);
  const CudaDriver &driver = cuda.driver;
  const muon_image *image = pickImage(variant, driver.emulatorModuleLoad, capability(cuda));
  CudaScope scope(cuda);
  if (scope.error)
    return fail(MUON_ERROR_DEVICE, "cuCtxPushCurrent failed: %s", driver.nameOf(scope.error));
  // The emulator is handed bitcode, which does not say how long it is. Nothing else differs.
  CudaResult error = driver.emulatorModuleLoad ? driver.emulatorModuleLoad(&cuda.module, image->data, image->bytes)
                                               : driver.moduleLoad(&cuda.module, image->data);
  if (error)
    return fail(MUON_ERROR_DEVICE, "the driver refuses the image for %s of program '%s': %s", image->chip, program.name,
                driver.nameOf(error));
  return findKernels(cuda);
}

} // namespace muon::runtime
