//===- ProgramOptions.cpp - the command line of muon-opt --shape ... --------------------------===//

#include "ProgramOptions.h"

#include "muon/CPU/Targets.h"
#include "muon/GPU/Targets.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"

using namespace muon;
using llvm::StringRef;

/// The names that --target takes.
StringRef targetHelp() {
  static const std::string text =
      "cpu (this machine), processors or GPUs, comma-separated: one variant each; SCHEDULE@PROCESSOR runs the schedule "
      "of one on another. Known: " +
      llvm::join(knownTargets(), ", ") + ", " + llvm::join(knownGpuTargets(), ", ") + " (default cpu)";
  return text;
}

StringRef excludeHelp() {
  static const std::string text =
      std::string("names that --shapes-from leaves out (regular expression; empty: none; default ") + kDefaultExclude +
      ")";
  return text;
}

ProgramOptions &programOptions() {
  static ProgramOptions options;
  return options;
}

static bool asksForHelp(StringRef argument) {
  return llvm::is_contained({"-h", "-help", "--help", "-help-hidden", "--help-hidden"}, argument);
}

bool takeProgramOptions(int argc, char **argv) {
  const cl::OptionCategory *category = &programOptions().category;
  llvm::StringMap<cl::Option *> ours;
  for (auto &[name, option] : cl::getRegisteredOptions())
    if (llvm::is_contained(option->Categories, category))
      ours[name] = option;
  llvm::ArrayRef<char *> arguments(argv + 1, argv + argc);
  bool asks = llvm::any_of(arguments, [&](StringRef argument) {
    StringRef flag = argument.split('=').first;
    return flag.consume_front("-") && flag != "o" && ours.contains(flag.ltrim('-'));
  });
  bool help = !arguments.empty() && llvm::all_of(arguments, asksForHelp);
  if (asks || help)
    return true;
  for (auto &option : ours)
    option.second->removeArgument();
  return false;
}
