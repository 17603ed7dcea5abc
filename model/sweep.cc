// The mutation sweep: every order of the protocols weakened, every planted step left out, each
// judged by the enumerator of kills and by the model of its header, until one of them fails. A
// mutant that nothing catches fails the sweep: either a model is too weak, or the order too strong.
//
//   sweep ENUMERATOR MODEL...
#include <sys/wait.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <future>
#include <map>
#include <sstream>
#include <string>
#include <vector>

namespace {

struct Verdict {
  bool caught = false;
  std::string executions;
  std::string by;
};

// For the shell.
std::string Quote(const std::string& text) {
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

// Runs a judge on all mutants but `skip`; false where it ends badly.
bool Ask(const std::string& judge, const std::vector<std::string>& skip,
         std::map<std::string, Verdict>& verdicts) {
  std::string command = Quote(judge) + " --sweep";
  for (const std::string& name : skip) command += " " + Quote(name);
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return false;
  char line[1024];
  while (std::fgets(line, sizeof line, pipe) != nullptr) {
    std::istringstream fields(line);
    std::string kind;
    std::string name;
    std::string verdict;
    std::string executions;
    std::string by;
    std::getline(fields, kind, '\t');
    std::getline(fields, name, '\t');
    std::getline(fields, verdict, '\t');
    std::getline(fields, executions, '\t');
    std::getline(fields, by);
    if (kind != "mutant") continue;
    Verdict& known = verdicts[name];
    if (!known.caught) known = {verdict == "caught", executions, by};
  }
  return pclose(pipe) == 0;
}

// "append_model" of "model/append_model".
std::string Stem(const std::string& path) { return path.substr(path.rfind('/') + 1); }

}  // namespace

int main(int argc, char** argv) {
  std::map<std::string, Verdict> verdicts;
  bool good = argc > 2 && Ask(argv[1], {}, verdicts);
  std::vector<std::string> caught;
  for (const auto& [name, verdict] : verdicts)
    if (verdict.caught) caught.push_back(name);

  // The models, two at a time: each is one process of its own.
  std::vector<std::string> models(argv + 2, argv + argc);
  std::vector<std::map<std::string, Verdict>> found(models.size());
  std::vector<char> fine(models.size(), 0);
  std::vector<std::future<void>> workers;
  std::atomic<std::size_t> next{0};
  for (int worker = 0; worker < 2; ++worker)
    workers.push_back(std::async(std::launch::async, [&] {
      for (std::size_t i = next++; i < models.size(); i = next++)
        fine[i] = Ask(models[i], caught, found[i]) ? 1 : 0;
    }));
  for (auto& worker : workers) worker.get();
  for (std::size_t i = 0; i < models.size(); ++i) {
    if (fine[i] == 0) std::printf("%s ended badly\n", Stem(models[i]).c_str());
    good = good && fine[i] != 0;
    for (auto& [name, verdict] : found[i]) {
      verdict.by = Stem(models[i]) + ": " + verdict.by;
      Verdict& known = verdicts[name];
      if (!known.caught) known = verdict;
    }
  }

  std::size_t survived = 0;
  for (const auto& [name, verdict] : verdicts) {
    if (!verdict.caught) ++survived;
    std::printf("%-52s %s after %s executions (%s)\n", name.c_str(),
                verdict.caught ? "caught" : "SURVIVED", verdict.executions.c_str(),
                verdict.by.c_str());
  }
  std::printf("mutants %zu, caught %zu, survived %zu\n", verdicts.size(),
              verdicts.size() - survived, survived);
  return good && survived == 0 && !verdicts.empty() ? 0 : 1;
}
