//===- RecordingDriver.h - a CUDA driver that runs nothing and writes down what it is asked ---===//
//
// The executor opens it in place of libcuda. It takes machine code only for its own chip (or an
// earlier minor one), PTX only for its own or earlier ones, and gives each module the kernels the
// test names.

#ifndef MUON_TEST_RUNTIME_RECORDINGDRIVER_H
#define MUON_TEST_RUNTIME_RECORDINGDRIVER_H

#include <stdint.h>
#include <string>
#include <vector>

struct RecordedLaunch {
  std::string kernel;
  unsigned blocks, threads, sharedBytes;
  void *stream;
};

struct DriverRecord {
  // What the test sets.
  int chip = 80;
  bool contextIsCurrent = false; ///< as a framework leaves it
  std::string failing;           ///< the function whose `countdown`-th call returns `error`
  int countdown = 0, error = 0;
  // What was asked.
  std::vector<std::string> calls;
  std::vector<std::string> images; ///< "cubin 80", "ptx 80"; refused ones too
  std::vector<RecordedLaunch> launches;
  // What is held: all zero once nothing is loaded.
  int modules = 0, contexts = 0, pushed = 0;
};

/// The library exports `DriverRecord *recordedDriver()`.
using RecordedDriver = DriverRecord *(*)();

#endif // MUON_TEST_RUNTIME_RECORDINGDRIVER_H
