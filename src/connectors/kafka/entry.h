// Whether a cluster lets us in. librdkafka goes on trying when it does not, and whoever asks for
// something sees a time-out at last; here it ends at once, with the reason and the way out.
#pragma once

#include "connectors/kafka/client.h"

namespace millrace::kafka {

/// Waits until a broker has let a new client in, or none is there: that is the caller's to see, and
/// said as any trouble. Throws Error (the user's) if we are refused: by our password, our
/// certificate or theirs, or as one side has TLS and the other has not. Nobody else may poll the
/// client meanwhile.
void enter(rd_kafka_t* client, const ConnectionOptions& connection, Troubles& troubles);

}  // namespace millrace::kafka
