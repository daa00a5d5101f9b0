//===- GenerateProgram.h - muon-opt --shape ...: shapes to a program --------------------------===//

#ifndef MUON_TOOLS_GENERATE_PROGRAM_H
#define MUON_TOOLS_GENERATE_PROGRAM_H

/// Whether the command line asks for a program from shapes, rather than for passes over a file.
bool asksForProgram(int argc, char **argv);
/// Compiles what the command line describes; the process's exit code.
int generateProgram(int argc, char **argv);

#endif // MUON_TOOLS_GENERATE_PROGRAM_H
