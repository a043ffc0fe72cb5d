// Commands made from the option tables and from the commands themselves: schema, docs, completion;
// and version.
#include <fmt/format.h>

#include <memory>

#include "cli/command.h"
#include "control/metrics.h"

namespace millrace::cli {
namespace {

struct CommandInfo {
  std::string name;
  std::string summary;
  std::vector<std::string> flags;
};

std::vector<CommandInfo> commands_of(const CLI::App& root) {
  std::vector<CommandInfo> out;
  for (const auto* command : root.get_subcommands([](const CLI::App*) { return true; })) {
    CommandInfo info{command->get_name(), command->get_description(), {}};
    for (const auto* option : command->get_options()) {
      for (const auto& name : option->get_lnames()) {
        info.flags.push_back("--" + name);
      }
    }
    out.push_back(std::move(info));
  }
  return out;
}

std::string bash_completion(const std::vector<CommandInfo>& commands) {
  std::string names;
  std::string cases;
  for (const auto& command : commands) {
    names += command.name + " ";
    cases += fmt::format("    {}) words=\"{}\" ;;\n", command.name, fmt::join(command.flags, " "));
  }
  return fmt::format(
      "# bash completion for millrace: source <(millrace completion bash)\n"
      "_millrace() {{\n"
      "  local current=${{COMP_WORDS[COMP_CWORD]}} words=\"\"\n"
      "  if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
      "    COMPREPLY=($(compgen -W \"{}\" -- \"$current\")); return\n"
      "  fi\n"
      "  case ${{COMP_WORDS[1]}} in\n{}  esac\n"
      "  case $current in\n"
      "    -*) COMPREPLY=($(compgen -W \"$words\" -- \"$current\")) ;;\n"
      "    *) COMPREPLY=($(compgen -f -- \"$current\")) ;;\n"
      "  esac\n"
      "}}\n"
      "complete -o filenames -F _millrace millrace\n",
      names, cases);
}

std::string zsh_completion(const std::vector<CommandInfo>& commands) {
  std::string names;
  std::string cases;
  for (const auto& command : commands) {
    std::string summary = command.summary;
    for (std::size_t at = 0; (at = summary.find_first_of("':", at)) != std::string::npos;) {
      summary[at] = ' ';
    }
    names += fmt::format("    '{}:{}'\n", command.name, summary);
    cases += fmt::format(
        "    {}) _arguments {} '*:file:_files' ;;\n", command.name,
        command.flags.empty() ? "" : fmt::format("'{}'", fmt::join(command.flags, "' '")));
  }
  return fmt::format(
      "#compdef millrace\n"
      "# zsh completion for millrace: millrace completion zsh > \"${{fpath[1]}}/_millrace\"\n"
      "_millrace() {{\n"
      "  local -a commands=(\n{}  )\n"
      "  if (( CURRENT == 2 )); then _describe command commands; return; fi\n"
      "  local command=$words[2]\n"
      "  shift words; (( CURRENT-- ))\n"
      "  case $command in\n{}  esac\n"
      "}}\n"
      "compdef _millrace millrace\n",
      names, cases);
}

std::string fish_completion(const std::vector<CommandInfo>& commands) {
  std::string out = "# fish completion for millrace: millrace completion fish | source\n";
  for (const auto& command : commands) {
    std::string summary = command.summary;
    for (std::size_t at = 0; (at = summary.find('\'', at)) != std::string::npos;) {
      summary[at] = ' ';
    }
    out += fmt::format("complete -c millrace -n __fish_use_subcommand -a {} -d '{}'\n",
                       command.name, summary);
    for (const auto& flag : command.flags) {
      out += fmt::format("complete -c millrace -n '__fish_seen_subcommand_from {}' -l {}\n",
                         command.name, flag.substr(2));
    }
  }
  return out;
}

}  // namespace

void add_schema_command(CLI::App& app, Context& context) {
  auto* command =
      app.add_subcommand("schema", "Print the JSON Schema of pipeline files, for editors");
  command->footer(
      "Example:\n  millrace schema > millrace.schema.json\n"
      "  # and at the top of pipeline.yaml, for editors with a YAML language server:\n"
      "  # yaml-language-server: $schema=millrace.schema.json");
  command->callback(
      [&context] { fmt::print("{}\n", pipeline_json_schema(context.connectors).dump(2)); });
}

void add_docs_command(CLI::App& app, Context& context) {
  auto* command =
      app.add_subcommand("docs", "Print the reference of all options, or metrics, in Markdown");
  auto what = std::make_shared<std::string>("options");
  command->add_option("WHAT", *what, "options (the default) or metrics")
      ->check(CLI::IsMember({"options", "metrics"}));
  command->footer("Examples:\n  millrace docs > options.md\n  millrace docs metrics > metrics.md");
  command->callback([what, &context] {
    fmt::print("{}", *what == "metrics" ? control::metrics_markdown()
                                        : reference_markdown(context.connectors));
  });
}

void add_completion_command(CLI::App& app, Context& context) {
  auto shell = std::make_shared<std::string>();
  auto* command = app.add_subcommand("completion", "Print completions for a shell");
  command->add_option("SHELL", *shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  command->footer(
      "Examples:\n  source <(millrace completion bash)\n"
      "  millrace completion fish | source");
  command->callback([shell, &context] {
    const auto commands = commands_of(*context.root);
    fmt::print("{}", *shell == "bash"  ? bash_completion(commands)
                     : *shell == "zsh" ? zsh_completion(commands)
                                       : fish_completion(commands));
  });
}

void add_version_command(CLI::App& app, Context&) {
  app.add_subcommand("version", "Print the version")->callback([] {
    fmt::print("millrace {} (DuckDB 1.5.5)\n", MILLRACE_VERSION);
  });
}

}  // namespace millrace::cli
