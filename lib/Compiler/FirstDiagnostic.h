//===- FirstDiagnostic.h - what a room said, as an error ----------------------------*- C++ -*-===//

#ifndef MUON_LIB_COMPILER_FIRST_DIAGNOSTIC_H
#define MUON_LIB_COMPILER_FIRST_DIAGNOSTIC_H

#include "mlir/IR/Diagnostics.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/FormatVariadic.h"

#include <string>

namespace muon {

/// Keeps the first diagnostic as the error's text: one clear line.
class FirstDiagnostic {
public:
  explicit FirstDiagnostic(mlir::MLIRContext *context)
      : handler(context, [this](mlir::Diagnostic &diagnostic) {
          if (!text.empty() || diagnostic.getSeverity() != mlir::DiagnosticSeverity::Error)
            return;
          auto place = llvm::dyn_cast<mlir::FileLineColLoc>(diagnostic.getLocation());
          if (place && place.getLine()) // a program of the user's own, but for its module
            text = llvm::formatv("line {0}: {1}", place.getLine(), diagnostic.str());
          else
            text = withoutOp(diagnostic.str());
        }) {}
  llvm::Error error() const {
    return llvm::createStringError(text.empty() ? "the compiler failed without saying why" : text);
  }

private:
  /// Without "'muon.orthogonalize' op " in front: who asked with options has written no op.
  static std::string withoutOp(llvm::StringRef said) {
    auto [op, rest] = said.split("' op ");
    return (op.starts_with("'") && !rest.empty() ? rest : said).str();
  }

  std::string text;
  mlir::ScopedDiagnosticHandler handler;
};

} // namespace muon

#endif // MUON_LIB_COMPILER_FIRST_DIAGNOSTIC_H
