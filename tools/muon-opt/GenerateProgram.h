//===- GenerateProgram.h - muon-opt --shape ...: shapes to a program --------------------------===//

#ifndef MUON_TOOLS_GENERATE_PROGRAM_H
#define MUON_TOOLS_GENERATE_PROGRAM_H

/// Compiles what the command line describes; the process's exit code.
int generateProgram(int argc, char **argv);

#endif // MUON_TOOLS_GENERATE_PROGRAM_H
