//===- Known.h - Results kept per process -------------------------------------------*- C++ -*-===//
#ifndef MUON_LIB_POLYNOMIAL_KNOWN_H
#define MUON_LIB_POLYNOMIAL_KNOWN_H

#include <map>
#include <mutex>
#include <utility>

namespace muon {

/// Results by key. Thread safe; two threads that ask for the same one at once may both compute it, and compute the
/// same.
template <typename Key, typename Result> class Known {
public:
  template <typename Compute> Result lookup(const Key &key, Compute compute) {
    {
      std::lock_guard lock(mutex);
      if (auto found = results.find(key); found != results.end())
        return found->second;
    }
    Result result = compute();
    std::lock_guard lock(mutex);
    return results.emplace(key, std::move(result)).first->second;
  }

private:
  std::mutex mutex;
  std::map<Key, Result> results;
};

} // namespace muon

#endif // MUON_LIB_POLYNOMIAL_KNOWN_H
