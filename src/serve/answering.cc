// How a request becomes an answer: at once where that is cheap, else on a thread for queries.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "serve/service.h"

namespace millrace::serve {

using std::chrono::steady_clock;

namespace {

/// Files may be replaced between being found and being read, more than once.
constexpr int kAttempts = 4;

std::string flight_of(const std::string& key, std::int64_t batch) {
  return fmt::format("{}@{}", key, batch);
}

/// What went wrong, for the one who asked. Values of parameters are the only thing that somebody
/// can get wrong.
Refused refused_by(const Error& error, const EndpointSpec& endpoint, const Prepared& prepared) {
  const bool is_outside = error.blame() == Blame::external ||
                          std::ranges::any_of(prepared.reads(), [&](const auto& each) {
                            return each->is_named_in(error.what());
                          });
  if (is_outside) {
    return {Fault::unavailable};
  }
  if (error.blame() == Blame::user && !endpoint.parameters.empty()) {
    return {Fault::invalid_parameter, "", "the query can't be answered for these values"};
  }
  return {Fault::internal};
}

}  // namespace

void Service::begin(Endpoint& endpoint, http::Request request, const http::Captured& captured,
                    http::Responder respond) {
  const auto now = steady_clock::now();
  auto values = endpoint.reader.read(request, captured);
  const auto batch = batch_waited_for(request);
  const auto call =
      std::make_shared<Call>(endpoint, std::move(request), std::move(respond),
                             RequestReader::Values(), now, now + endpoint.spec.timeout);
  if (!values || !batch || !is_started_) {
    refuse(*call, !values ? values.error() : !batch ? batch.error() : Refused{Fault::not_ready});
    return;
  }
  if (*batch && !makes_batches_) {
    refuse(*call, {Fault::invalid_parameter, "",
                   fmt::format("`{}`: what is served here is not made in batches, so there is none "
                               "to wait for",
                               kWaitParameter)});
    return;
  }
  call->values = std::move(*values);
  if (!*batch || tables_.snapshot().version().batch >= **batch) {
    answer(call);
    return;
  }
  commits_->wait_for(**batch, now + serve_.wait_timeout, [this, call](bool visible) {
    call->deadline = steady_clock::now() + call->endpoint.spec.timeout;
    if (visible) {
      answer(call);
    } else {
      refuse(*call, {Fault::timeout, "", "the batch was not committed in time"});
    }
  });
}

bool Service::keeps(const Endpoint& endpoint, const Prepared& prepared) const {
  return endpoint.spec.cache && serve_.cache_bytes > 0 && prepared.may_be_kept();
}

Stamps Service::with_batch(Stamps stamps, const sql::LiveSnapshot& snapshot) const {
  if (responses_.tell_batch()) {
    stamps.push_back(snapshot.version().batch);
  }
  return stamps;
}

void Service::answer(const CallPtr& call) {
  Endpoint& endpoint = call->endpoint;
  auto prepared = endpoint.prepared();
  const auto snapshot = tables_.snapshot();
  if (!prepared) {
    refuse(*call, {Fault::unavailable});
    return;
  }
  if (prepared->is_of_batches() && snapshot.version().batch < 0) {
    refuse(*call, {Fault::not_ready});
    return;
  }
  if (prepared->query().by_key()) {
    Outcome outcome;
    try {
      outcome = std::make_shared<const Answer>(
          answer_by_key({endpoint, *prepared, call->values, snapshot, responses_}));
    } catch (const Error& error) {
      outcome = std::unexpected(refused_by(error, endpoint.spec, *prepared));
    }
    give(*call, outcome, snapshot.version());
    return;
  }
  const std::string key = key_of(endpoint.index, call->values);
  const auto stamps = prepared->stamps(snapshot);
  if (stamps && keeps(endpoint, *prepared)) {
    if (auto kept = cache_.find(key, with_batch(*stamps, snapshot))) {
      endpoint.counters.count_hit();
      give(*call, kept, snapshot.version());
      look_ahead(*prepared, snapshot);
      return;
    }
  }
  answer_elsewhere(call, std::move(prepared), snapshot, key);
}

/// Answers that were kept would else be used until what they read is too old, and then all wait.
void Service::look_ahead(const Prepared& prepared, const sql::LiveSnapshot& snapshot) {
  for (const auto& readable : prepared.reads()) {
    if (!readable->wants_look()) {
      continue;
    }
    Workers::Job job = [readable, snapshot](sql::QueryRunner&, const std::stop_token&) {
      try {
        readable->look(snapshot);
      } catch (const Error& error) {  // who needs it gets the error
        Log().with("name", readable->name()).debug("looked in vain: {}", error.what());
      }
    };
    (void)workers_->submit(job);  // in vain if many wait: then one of them looks
  }
}

void Service::answer_elsewhere(const CallPtr& call, std::shared_ptr<const Prepared> prepared,
                               const sql::LiveSnapshot& snapshot, const std::string& key) {
  const bool is_shared = keeps(call->endpoint, *prepared);
  const std::string flight = is_shared ? flight_of(key, snapshot.version().batch) : "";
  const auto land = [this, call, snapshot](const Outcome& outcome) {
    give(*call, outcome, snapshot.version());
  };
  call->too_late = timer_->at(call->deadline, [this, of = std::weak_ptr(call)] {
    if (const auto late = of.lock()) {
      refuse(*late, {Fault::timeout});
    }
  });
  if (is_shared && !flights_.board(flight, land)) {
    return;
  }
  const auto finish = [this, is_shared, flight, land](const Outcome& outcome) {
    if (is_shared) {
      flights_.land(flight, outcome);
    } else {
      land(outcome);
    }
  };
  Workers::Job job = [this, call, prepared = std::move(prepared), snapshot, key, finish](
                         sql::QueryRunner& runner, const std::stop_token& stop) {
    finish(make_answer(call, *prepared, snapshot, key, runner, stop));
  };
  if (!workers_->submit(job)) {
    finish(std::unexpected(Refused{Fault::busy}));
  }
}

Outcome Service::make_answer(const CallPtr& call, const Prepared& prepared,
                             const sql::LiveSnapshot& snapshot, const std::string& key,
                             sql::QueryRunner& runner, const std::stop_token& stop) {
  const EndpointSpec& spec = call->endpoint.spec;
  if (steady_clock::now() >= call->deadline) {
    return std::unexpected(Refused{Fault::timeout});
  }
  auto cancel = std::make_shared<std::stop_source>();  // shared with the timer's call
  const auto timeout = timer_->at(call->deadline, [cancel] { cancel->request_stop(); });
  const std::stop_callback on_end(stop, [&] { cancel->request_stop(); });
  try {
    return run({call->endpoint, prepared, call->values, snapshot, responses_}, key, runner,
               cancel->get_token());
  } catch (const Stopped&) {
    return std::unexpected(Refused{stop.stop_requested() ? Fault::unavailable : Fault::timeout});
  } catch (const Error& error) {
    Log().with("endpoint", spec.path).warn("a request failed: {}", error.what());
    return std::unexpected(refused_by(error, spec, prepared));
  } catch (const std::exception& error) {
    Log().with("endpoint", spec.path).error("a request failed: {}", error.what());
    return std::unexpected(Refused{Fault::internal});
  }
}

Outcome Service::run(const Making& making, const std::string& key, sql::QueryRunner& runner,
                     const std::stop_token& stop) {
  for (int attempt = 1;; ++attempt) {
    for (const auto& readable : making.prepared.reads()) {
      readable->look(making.snapshot);
    }
    const bool keep = keeps(making.endpoint, making.prepared);
    auto stamps = keep ? making.prepared.stamps(making.snapshot) : std::nullopt;
    if (stamps) {
      stamps = with_batch(std::move(*stamps), making.snapshot);
      if (auto kept = cache_.find(key, *stamps)) {
        return kept;
      }
    }
    try {
      auto answer = std::make_shared<const Answer>(answer_by_sql(making, runner, stop));
      if (stamps) {
        cache_.keep(key, std::move(*stamps), answer);
      }
      return answer;
    } catch (const Stopped&) {
      throw;
    } catch (const Error&) {
      bool again = false;
      for (const auto& readable : making.prepared.reads()) {
        again |= readable->look_again();
      }
      if (!again || attempt == kAttempts) {
        throw;
      }
    }
  }
}

void Service::give(Call& call, const Outcome& outcome, const sql::LiveVersion& version) {
  if (!outcome) {
    refuse(call, outcome.error());
    return;
  }
  if (call.is_answered.test_and_set()) {
    return;
  }
  auto response = responses_.to(call.request, call.endpoint.spec, **outcome, version);
  call.endpoint.counters.add_rows((*outcome)->rows);
  if (call.endpoint.sample.is_wanted() && response.status == 200 && response.body) {
    call.endpoint.sample.keep(call.request.target, *response.body);
  }
  call.endpoint.counters.count(
      response.status,
      std::chrono::duration_cast<std::chrono::microseconds>(steady_clock::now() - call.begin));
  call.respond(std::move(response));
}

void Service::refuse(Call& call, const Refused& refused) {
  if (call.is_answered.test_and_set()) {
    return;
  }
  auto response = responses_.refuse(&call.endpoint.spec, refused);
  call.endpoint.counters.count(
      response.status,
      std::chrono::duration_cast<std::chrono::microseconds>(steady_clock::now() - call.begin));
  call.respond(std::move(response));
}

}  // namespace millrace::serve
