// Rules of the source that no compiler checks:
//   - in canvas/sync every release and acquire stands under a label, SYNC(name): what it publishes
//     or sees; every label has both ends, but for SYNC(name, kill), whose other end is a kill:
//     there the order of stores is for those that find them after a death
//   - raw atomics, fences, volatile, and memcpy of shared bytes stand only under canvas/sync
//   - lines of C++ end at column 100, comments too, which clang-format leaves as they are
//   - what users include leans on no layer below the metadata: on canvas/api, canvas/base,
//     canvas/metadata and the standard library
//   - above every class that users hold stands what it promises to threads (Concurrency:) and to
//     realtime threads (Realtime:)
//   - the steps of a protocol are as many in the diagram at its header's head as in its section of
//     PROTOCOLS.md
// and that the rules fire: planted violations, each of which must be found.
//
//   source_rules_test README.md     (through which it finds the source tree)
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;

fs::path g_root;

struct Ends {
  bool release = false;
  bool acquire = false;
  bool kill = false;
};

struct Labels {
  std::map<std::string, Ends> ends;
  std::vector<std::string> unlabelled;  // "file:line"
};

void ReadLabels(const std::string& name, const std::string& text, Labels& labels) {
  static const std::regex label(R"(SYNC\((\w+)(, kill)?\))");
  std::istringstream in(text);
  std::string line;
  std::set<std::string> standing;  // labels of the comment above
  bool in_comment = false;
  for (int number = 1; std::getline(in, line); ++number) {
    const auto first = line.find_first_not_of(' ');
    if (first == std::string::npos) {
      standing.clear();
      in_comment = false;
      continue;
    }
    if (line.compare(first, 2, "//") == 0) {
      if (!in_comment) standing.clear();
      in_comment = true;
      for (std::sregex_iterator match(line.begin(), line.end(), label), end; match != end;
           ++match) {
        standing.insert((*match)[1]);
        labels.ends[(*match)[1]].kill |= (*match)[2].matched;
      }
      continue;
    }
    in_comment = false;
    const bool release = line.find("memory_order_release") != std::string::npos ||
                         line.find("memory_order_acq_rel") != std::string::npos;
    const bool acquire = line.find("memory_order_acquire") != std::string::npos ||
                         line.find("AcquireFence()") != std::string::npos ||
                         line.find("memory_order_acq_rel") != std::string::npos;
    if (!release && !acquire) continue;
    if (standing.empty()) labels.unlabelled.push_back(name + ":" + std::to_string(number));
    for (const std::string& at : standing) {
      labels.ends[at].release |= release;
      labels.ends[at].acquire |= acquire;
    }
  }
}

std::vector<std::string> Unpaired(const Labels& labels) {
  std::vector<std::string> found;
  for (const auto& [name, ends] : labels.ends) {
    if (!ends.release) found.push_back(name + " has no release");
    if (!ends.acquire && !ends.kill) found.push_back(name + " has no acquire");
  }
  return found;
}

// What does not belong outside canvas/sync.
std::vector<std::string> Raw(const std::string& name, const std::string& text) {
  static const std::regex raw(
      R"(std::atomic|atomic_thread_fence|__atomic_|\bvolatile\b|memory_order|)"
      R"(memcpy\([^;]*(_base\(\)|words_?\.(data|undo)|part_?\.(data|undo)|FrameAt))");
  std::vector<std::string> found;
  std::istringstream in(text);
  std::string line;
  for (int number = 1; std::getline(in, line); ++number) {
    const auto comment = line.find("//");
    if (std::regex_search(line.substr(0, comment), raw))
      found.push_back(name + ":" + std::to_string(number) + ": " + line);
  }
  return found;
}

// Characters, not bytes: every byte of UTF-8 but those that go on with one.
std::size_t Columns(const std::string& line) {
  std::size_t columns = 0;
  for (const char byte : line) columns += (static_cast<unsigned char>(byte) & 0xC0U) != 0x80U;
  return columns;
}

std::vector<std::string> TooLong(const std::string& name, const std::string& text) {
  constexpr std::size_t kMostColumns = 100;
  std::vector<std::string> found;
  std::istringstream in(text);
  std::string line;
  for (int number = 1; std::getline(in, line); ++number) {
    const std::size_t columns = Columns(line);
    if (columns > kMostColumns)
      found.push_back(name + ":" + std::to_string(number) + ": " + std::to_string(columns) +
                      " columns");
  }
  return found;
}

// Headers of canvas/api that users do not include.
const std::set<std::string> kInner = {
    "canvas/api/core.h",       "canvas/api/event_reader_inside.h", "canvas/api/frame_reader.h",
    "canvas/api/owned_lane.h", "canvas/api/window_core.h",
};

// What a public header includes and should not: "its name includes another's".
std::set<std::string> TooDeep(const std::string& name, const std::string& text) {
  static const std::regex include(R"(^\s*#\s*include\s+(["<])([^">]+)[">])");
  // Of the standard library, and not of the system or another library: neither folder nor ending.
  static const std::regex standard(R"([a-z0-9_]+)");
  static const std::regex allowed(R"(canvas/(base|metadata|api)/\w+\.h)");
  std::set<std::string> found;
  std::istringstream in(text);
  std::string line;
  while (std::getline(in, line)) {
    std::smatch match;
    if (!std::regex_search(line, match, include)) continue;
    const std::string header = match[2];
    const bool good = match[1] == "<"
                          ? std::regex_match(header, standard)
                          : std::regex_match(header, allowed) && !kInner.contains(header);
    if (!good) found.insert(name + " includes " + header);
  }
  return found;
}

// Classes of a public header whose comment does not say what holds for threads: "name: class X
// lacks Concurrency:". What is only declared, and structs of plain values, need none.
std::vector<std::string> Silent(const std::string& name, const std::string& text) {
  static const std::regex begins(R"(^class (?:alignas\(\w+\) )?(\w+)[^;]*$)");
  std::vector<std::string> found;
  std::istringstream in(text);
  std::string line;
  std::string comment;  // that stands directly above
  while (std::getline(in, line)) {
    std::smatch match;
    if (line.starts_with("//")) {
      comment += line + "\n";
      continue;
    }
    if (std::regex_match(line, match, begins))
      for (const char* word : {"// Concurrency:", "// Realtime:"})
        if (comment.find(word) == std::string::npos)
          found.push_back(name + ": class " + match[1].str() + " lacks " + (word + 3));
    comment.clear();
  }
  return found;
}

// The last step in the diagram at the head of a protocol's header; 0: there is none. Steps stand
// apart from what is before them, which tells them from numbers in prose.
int LastStepOfHeader(const std::string& text) {
  static const std::regex step(R"(  ([1-9]) \S)");
  const std::string head = text.substr(0, text.find("#pragma once"));
  int last = 0;
  for (std::sregex_iterator match(head.begin(), head.end(), step), end; match != end; ++match)
    last = std::max(last, std::stoi((*match)[1]));
  return last;
}

// The last step in the table of the header's section; 0: there is no such section, or no table.
int LastStepOfSection(const std::string& document, const std::string& header) {
  static const std::regex step(R"(\n\|(?: [a-z]+)? ([1-9]) \|)");
  const auto title = document.find("(`" + header + "`)\n");
  if (title == std::string::npos) return 0;
  const std::string section = document.substr(title, document.find("\n## ", title) - title);
  int last = 0;
  for (std::sregex_iterator match(section.begin(), section.end(), step), end; match != end; ++match)
    last = std::max(last, std::stoi((*match)[1]));
  return last;
}

std::string Slurp(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

std::string Join(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

bool IsSource(const fs::path& path) {
  return path.extension() == ".h" || path.extension() == ".cc";
}
bool IsTest(const fs::path& path) { return path.stem().string().ends_with("_test"); }

TEST(SourceRules, EveryOrderStandsUnderALabelAndEveryLabelHasBothEnds) {
  Labels labels;
  int headers = 0;
  for (const auto& entry : fs::directory_iterator(g_root / "canvas/sync")) {
    const std::string name = entry.path().filename();
    // The policy itself has orders and no protocol.
    if (entry.path().extension() != ".h" || name == "std_sync.h" || name == "shared_copy.h")
      continue;
    ++headers;
    ReadLabels(name, Slurp(entry.path()), labels);
  }
  EXPECT_GE(headers, 8);
  EXPECT_GE(labels.ends.size(), 8U);
  EXPECT_TRUE(labels.unlabelled.empty()) << Join(labels.unlabelled);
  EXPECT_TRUE(Unpaired(labels).empty()) << Join(Unpaired(labels));
}

TEST(SourceRules, RawAtomicsAndCopiesOfSharedBytesStandOnlyUnderSync) {
  std::vector<std::string> found;
  int sources = 0;
  for (const auto& entry : fs::recursive_directory_iterator(g_root / "canvas")) {
    const fs::path path = fs::relative(entry.path(), g_root);
    if (!IsSource(path) || IsTest(path) || path.string().starts_with("canvas/sync/")) continue;
    // Its volatile is of assembly: it makes syscalls of its own, and sees no canvas.
    if (path == "canvas/testing/realtime_guard.cc") continue;
    ++sources;
    for (std::string& line : Raw(path, Slurp(entry.path()))) found.push_back(std::move(line));
  }
  EXPECT_GE(sources, 30);
  EXPECT_TRUE(found.empty()) << Join(found);
}

TEST(SourceRules, LinesOfSourcesEndAtColumn100) {
  std::vector<std::string> found;
  int sources = 0;
  for (const auto& folder : fs::directory_iterator(g_root)) {
    // Bazel's links, .git, and what builds leave are not the source.
    const std::string name = folder.path().filename();
    if (!folder.is_directory() || folder.is_symlink() || name.starts_with(".") || name == "build")
      continue;
    for (const auto& entry : fs::recursive_directory_iterator(folder)) {
      if (!entry.is_regular_file() || !IsSource(entry.path())) continue;
      ++sources;
      const fs::path path = fs::relative(entry.path(), g_root);
      for (std::string& line : TooLong(path, Slurp(entry.path()))) found.push_back(std::move(line));
    }
  }
  EXPECT_GE(sources, 200);
  EXPECT_TRUE(found.empty()) << Join(found);
}

TEST(SourceRules, PublicHeadersIncludeNothingBelowTheMetadata) {
  std::set<std::string> found;
  int headers = 0;
  for (const auto& entry : fs::directory_iterator(g_root / "canvas/api")) {
    const std::string name = entry.path().filename();
    if (entry.path().extension() != ".h" || kInner.contains("canvas/api/" + name)) continue;
    ++headers;
    found.merge(TooDeep("canvas/api/" + name, Slurp(entry.path())));
  }
  EXPECT_GE(headers, 8);
  EXPECT_TRUE(found.empty()) << Join({found.begin(), found.end()});
}

TEST(SourceRules, PublicClassesSayWhatHoldsForThreadsAndForRealtimeThreads) {
  std::vector<std::string> found;
  for (const auto& entry : fs::directory_iterator(g_root / "canvas/api")) {
    const std::string name = entry.path().filename();
    if (entry.path().extension() != ".h" || kInner.contains("canvas/api/" + name)) continue;
    for (std::string& line : Silent(name, Slurp(entry.path()))) found.push_back(std::move(line));
  }
  EXPECT_TRUE(found.empty()) << Join(found);
}

TEST(SourceRules, StepsOfAProtocolAreAsManyInItsHeaderAsInTheDocument) {
  const std::string document = Slurp(g_root / "canvas/PROTOCOLS.md");
  int protocols = 0;
  for (const auto& entry : fs::directory_iterator(g_root / "canvas/sync")) {
    const std::string name = entry.path().filename();
    if (entry.path().extension() != ".h" ||
        document.find("(`" + name + "`)\n") == std::string::npos)
      continue;
    ++protocols;
    const int last = LastStepOfHeader(Slurp(entry.path()));
    EXPECT_GT(last, 0) << name;
    EXPECT_EQ(last, LastStepOfSection(document, name)) << name;
  }
  EXPECT_GE(protocols, 10);
}

TEST(SourceRules, PlantedViolationsAreFound) {
  Labels labels;
  ReadLabels("planted.h",
             "  // SYNC(lonely): publishes something.\n"
             "  word.store(1, std::memory_order_release);\n"
             "\n"
             "  return word.load(std::memory_order_acquire);\n",
             labels);
  EXPECT_EQ(labels.unlabelled, std::vector<std::string>{"planted.h:4"});
  EXPECT_EQ(Unpaired(labels), std::vector<std::string>{"lonely has no acquire"});
  for (const char* line :
       {"std::atomic<int> x;", "volatile int y;", "std::memcpy(to, file.read_base() + 3, 8);",
        "__atomic_load_n(p, 0);", "std::atomic_thread_fence(a);"})
    EXPECT_EQ(Raw("planted.cc", line).size(), 1U) << line;
  EXPECT_TRUE(Raw("planted.cc", "std::memcpy(to, from, 8);  // volatile").empty());

  EXPECT_EQ(TooLong("planted.h", "\n// " + std::string(98, 'x') + "\n"),
            std::vector<std::string>{"planted.h:2: 101 columns"});
  std::string umlauts;
  for (int i = 0; i < 97; ++i) umlauts += "\u00fc";
  EXPECT_TRUE(TooLong("planted.h", "// " + umlauts + "\n").empty());

  EXPECT_EQ(Silent("planted.h",
                   "// Realtime: of another class.\n"
                   "\n"
                   "// Concurrency: one thread.\n"
                   "class Planted {\n"
                   "  // Realtime: of a call.\n"
                   "};\n"),
            std::vector<std::string>{"planted.h: class Planted lacks Realtime:"});
  EXPECT_EQ(Silent("planted.h", "class Planted final {\n").size(), 2U);
  EXPECT_TRUE(Silent("planted.h",
                     "class Declared;\nstruct Values {\n};\n"
                     "// Concurrency: any.\n// Realtime: no.\nclass Planted {\n")
                  .empty());

  for (const char* header :
       {"\"canvas/sync/overwrite.h\"", "\"canvas/api/core.h\"", "\"canvas/apis/canvas.h\"",
        "<fmt/format.h>", "<sys/mman.h>", "<unistd.h>"})
    EXPECT_EQ(TooDeep("planted.h", std::string("#include ") + header + "\n").size(), 1U) << header;
  EXPECT_TRUE(TooDeep("planted.h",
                      "#include <cstdint>\n#include \"canvas/base/time.h\"\n"
                      "// #include \"canvas/sync/overwrite.h\"\n")
                  .empty());
  const std::string steps = "// In 3 steps.\n//   1 stores    2 says so\n#pragma once\n  3 x\n";
  EXPECT_EQ(LastStepOfHeader(steps), 2);
  const std::string document =
      "## 1. A (`a.h`)\n\n| 1 | x | y |\n| edit 3 | x | y |\n## 2.\n| 4 | x |\n";
  EXPECT_EQ(LastStepOfSection(document, "a.h"), 3);
  EXPECT_EQ(LastStepOfSection(document, "b.h"), 0);
}

}  // namespace

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  if (argc != 2) return 2;
  g_root = fs::canonical(argv[1]).parent_path();
  return RUN_ALL_TESTS();
}
