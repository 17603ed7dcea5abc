// Mutants of the protocols, planted from below: the policy a protocol is compiled with decides what
// each of its operations really does, so that one order can be weakened, or one step left out,
// without touching the header.
//
//   weakened   the operation at one place of a header is done relaxed. Places are found at run
//              time, by std::source_location: an order that is added to a header is in the sweep by
//              itself
//   logic      one step, named by function and word, is left out, done late, or done with another
//              value
//
// Thread safety: one thread (models run their threads as fibers).
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <source_location>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace model {

// What an operation is, as mutants see it.
// A lock's function is "shared" or "exclusive".
enum class Step : std::uint8_t { kLoad, kStore, kExchange, kCopyOut, kCopyIn, kLock, kWake };

enum class Fault : std::uint8_t {
  kNone,
  kSkip,    // not done; a load answers what this thread saw or stored last
  kLate,    // done after the thread's next store
  kLast,    // done before the thread's next unlock
  kChange,  // a store, of another value
};

struct LogicMutant {
  std::string name;  // what a person reads
  Step step = Step::kStore;
  std::string function;  // part of the function's name
  std::string word;      // the word's name; "" for any
  Fault fault = Fault::kSkip;
  std::function<std::uint64_t(std::uint64_t)> change = {};  // for kChange
};

// A place where an operation has an order: a line of a header, or one of the two copies.
struct Site {
  const char* file = nullptr;
  unsigned line = 0;
  const char* function = nullptr;
  std::memory_order order = std::memory_order::relaxed;

  // "append.h:47 RaiseHighMark release"
  std::string Name() const;
  // The file's last component.
  std::string_view File() const {
    const std::string_view path = file;
    return path.substr(path.rfind('/') + 1);
  }
};

// Allocates nothing while a model runs: Relacy counts what is allocated there as the model's.
class Mutation {
 public:
  static Mutation& Get() {
    static Mutation one;
    return one;
  }

  // Which mutant the operations that follow are to be; neither: the code as it is.
  void Weaken(std::size_t site) {
    Clear();
    weakened_ = site;
  }
  void Plant(const LogicMutant* mutant) {
    Clear();
    logic_ = mutant;
  }
  void Clear() {
    weakened_ = kNoSite;
    logic_ = nullptr;
    hits_ = 0;
  }
  // Mutants that something else has caught already, by name: not judged again.
  void Skip(std::string name) { caught_.push_back(std::move(name)); }
  bool Skips(const std::string& name) const {
    return std::ranges::find(caught_, name) != caught_.end();
  }
  // How often the mutant was met.
  std::uint64_t hits() const { return hits_; }
  std::size_t site_count() const { return site_count_; }
  const Site& site(std::size_t i) const { return sites_[i]; }

  // The order to use for an operation that asks for `order`.
  std::memory_order Order(std::memory_order order, const std::source_location& where) {
    if (order == std::memory_order::relaxed) return order;
    return Judge(where.file_name(), where.line(), where.function_name(), order);
  }
  // The order of the words of a copy, which is one place: the promise of canvas/sync/shared_copy.h.
  std::memory_order CopyOrder(std::memory_order order) {
    return Judge("shared_copy.h", 0, order == std::memory_order::acquire ? "CopyOut" : "CopyIn",
                 order);
  }

  Fault FaultOf(Step step, const char* word, const std::source_location& where,
                std::uint64_t* value = nullptr) {
    return FaultOf(step, word, where.function_name(), value);
  }
  Fault FaultOf(Step step, const char* word, const char* function, std::uint64_t* value = nullptr) {
    if (logic_ == nullptr || logic_->step != step) [[likely]]
      return Fault::kNone;
    return FaultPlanted(word, function, value);
  }

 private:
  static constexpr std::size_t kNoSite = ~std::size_t{0};
  static constexpr std::size_t kMaxSites = 256;

  Fault FaultPlanted(const char* word, const char* function, std::uint64_t* value) {
    // The name alone: what a template's arguments are called is no match. In clang's names
    // "(anonymous namespace)::" is part of it.
    const std::string_view whole = function;
    std::size_t end = whole.find('(');
    while (end != std::string_view::npos && whole.substr(end).starts_with("(anonymous namespace)"))
      end = whole.find('(', end + 1);
    const std::string_view name = whole.substr(0, end);
    if (name.find(logic_->function) == std::string_view::npos) return Fault::kNone;
    if (!logic_->word.empty() && (word == nullptr || logic_->word != word)) return Fault::kNone;
    ++hits_;
    if (logic_->fault == Fault::kChange && value != nullptr) *value = logic_->change(*value);
    return logic_->fault;
  }

  std::memory_order Judge(const char* file, unsigned line, const char* function,
                          std::memory_order order) {
    // The same place comes with the same pointers.
    Known& known = known_[(line ^ reinterpret_cast<std::uintptr_t>(function)) % known_.size()];
    if (known.file != file || known.line != line || known.function != function) [[unlikely]]
      known = {file, line, function, Find(file, line, function, order)};
    if (known.site != weakened_) [[likely]]
      return order;
    ++hits_;
    return std::memory_order::relaxed;
  }
  // The number of a place, which is a new one if it was not met before.
  std::size_t Find(const char* file, unsigned line, const char* function, std::memory_order order) {
    std::size_t i = 0;
    while (i < site_count_ && (sites_[i].line != line || std::strcmp(sites_[i].file, file) != 0 ||
                               (line == 0 && std::strcmp(sites_[i].function, function) != 0)))
      ++i;
    if (i == site_count_) {
      if (i == kMaxSites) std::abort();
      sites_[site_count_++] = {file, line, function, order};
    }
    return i;
  }

  // Places found lately, by their pointers.
  struct Known {
    const char* file = nullptr;
    unsigned line = 0;
    const char* function = nullptr;
    std::size_t site = 0;
  };
  std::array<Known, 256> known_{};
  std::array<Site, kMaxSites> sites_{};
  std::size_t site_count_ = 0;
  std::size_t weakened_ = kNoSite;
  const LogicMutant* logic_ = nullptr;
  std::uint64_t hits_ = 0;
  std::vector<std::string> caught_;
};

inline const char* OrderName(std::memory_order order) {
  switch (order) {
    case std::memory_order::acquire:
      return "acquire";
    case std::memory_order::release:
      return "release";
    case std::memory_order::acq_rel:
      return "acq_rel";
    case std::memory_order::seq_cst:
      return "seq_cst";
    default:
      return "relaxed";
  }
}

inline std::string Site::Name() const {
  // "void canvas::sync::RaiseHighMark(const PartWords<Sync>&, ...) [with ...]" -> "RaiseHighMark"
  std::string name = function;
  name = name.substr(0, name.find('('));
  name = name.substr(name.rfind(':') + 1);
  name = name.substr(name.rfind(' ') + 1);
  std::string text(File());
  if (line != 0) text += ":" + std::to_string(line);
  return text + " " + name + " " + OrderName(order);
}

}  // namespace model
