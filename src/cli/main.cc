// The entry point: builds the list of connectors, adds the commands, maps errors to exit codes.
#include <fmt/format.h>

#include <exception>

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "cli/command.h"
#include "connectors/all.h"

namespace {

constexpr const char* kFooter =
    "Examples:\n"
    "  millrace validate pipeline.yaml          every mistake at once, with its place\n"
    "  millrace preview pipeline.yaml orders    real rows through the real plan, nothing written\n"
    "  millrace run pipeline.yaml               until Ctrl-C; goes on where it stopped\n"
    "  millrace run pipeline.yaml --once        what is there now, then exit\n"
    "  millrace query pipeline.yaml 'SELECT …'  SQL over what the pipeline made\n\n"
    "Exit codes: 0 done, 1 a bug in millrace, 2 a mistake in the pipeline or the command line,\n"
    "3 something outside failed (a file, a disk, a server).";

int run(int argc, char** argv) {
  using namespace millrace::cli;
  CLI::App app{"millrace: streaming SQL pipelines in one binary", "millrace"};
  app.require_subcommand(1);
  app.footer(kFooter);
  Context context;
  context.connectors = millrace::all_connectors();
  context.root = &app;
  app.set_version_flag("--version", MILLRACE_VERSION);
  add_run_command(app, context);
  add_validate_command(app, context);
  add_explain_command(app, context);
  add_preview_command(app, context);
  add_query_command(app, context);
  add_state_command(app, context);
  add_quarantine_command(app, context);
  add_generate_command(app, context);
  add_infer_command(app, context);
  add_schema_command(app, context);
  add_docs_command(app, context);
  add_completion_command(app, context);
  add_version_command(app, context);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kOk : kMistake;
  }
  return context.exit_code;
}

}  // namespace

int main(int argc, char** argv) {
#ifdef __GLIBC__
  // Large blocks go back to the system when they are freed. By itself glibc keeps them, once it has
  // seen some: 70 of 440 MB of a job that catches up with a topic (bench/kafka.py, medallion).
  mallopt(M_MMAP_THRESHOLD, 256 << 10);
  mallopt(M_TRIM_THRESHOLD, 16 << 20);
#endif
  try {
    return run(argc, argv);
  } catch (const millrace::Error& error) {
    fmt::print(stderr, "error: {}\n", error.what());
    return millrace::cli::exit_code_of(error);
  } catch (const std::exception& error) {
    fmt::print(stderr, "internal error: {}\nThis is a bug in millrace; please report it.\n",
               error.what());
    return millrace::cli::kInternal;
  }
}
