#include "connectors/all.h"

#include "connectors/blackhole/blackhole.h"
#include "connectors/cassandra/cassandra.h"
#include "connectors/console/console.h"
#include "connectors/files/files.h"
#include "connectors/generator/generator.h"
#include "connectors/kafka/kafka.h"
#include "connectors/mysql/mysql.h"
#include "connectors/nexmark/nexmark.h"
#include "connectors/rate/rate.h"
#include "connectors/s3/s3.h"
#include "connectors/store/store.h"

namespace millrace {

ConnectorList all_connectors() {
  ConnectorList all;
  all.push_back(files_connector(s3_stores()));
  all.push_back(store_connector());
  all.push_back(kafka_connector());
  all.push_back(mysql_connector());
  all.push_back(cassandra_connector());
  all.push_back(generator_connector());
  all.push_back(nexmark_connector());
  all.push_back(rate_connector());
  all.push_back(console_connector());
  all.push_back(blackhole_connector());
  return all;
}

}  // namespace millrace
