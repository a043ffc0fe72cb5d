// The entry point: builds the list of connectors, adds the commands, maps errors to exit codes.
#include <fmt/format.h>
#include <sys/resource.h>

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
    "  millrace daemon pipelines                all pipelines of a folder, as a service\n"
    "  millrace query pipeline.yaml 'SELECT …'  SQL over what the pipeline made\n\n"
    "Exit codes: 0 done, 1 a bug in millrace, 2 a mistake in the pipeline or the command line,\n"
    "3 something outside failed (a file, a disk, a server), 4 asked to stop, it did not in time.";

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
  add_daemon_command(app, context);
  add_reload_command(app, context);
  add_remote_commands(app);
  add_top_command(app);
  add_validate_command(app, context);
  add_explain_command(app, context);
  add_preview_command(app, context);
  add_query_command(app, context);
  add_serve_command(app, context);
  add_state_command(app, context);
  add_quarantine_command(app, context);
  add_compact_command(app, context);
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

/// Connections and files may need more than the 1,024 that shells usually allow; nothing here uses
/// select(), which would need so few.
void allow_open_files() {
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
    files.rlim_cur = files.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &files);
  }
}

}  // namespace

int main(int argc, char** argv) {
  allow_open_files();
#ifdef __GLIBC__
  // Large blocks go back to the system when they are freed. By itself glibc keeps them, once it has
  // seen some: 70 of 440 MB of a job that catches up with a topic (bench/kafka.py, medallion).
  mallopt(M_MMAP_THRESHOLD, 256 << 10);
  mallopt(M_TRIM_THRESHOLD, 16 << 20);
#endif
  try {
    return run(argc, argv);
  } catch (const millrace::Error& error) {
    millrace::cli::print_error(error);
    return millrace::cli::exit_code_of(error);
  } catch (const std::exception& error) {
    fmt::print(stderr, "internal error: {}\nThis is a bug in millrace; please report it.\n",
               error.what());
    return millrace::cli::kInternal;
  }
}
