/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/proto/kafka_api.h"

#include <stddef.h>

#define NEVER INT16_MAX

/* Producing and consuming. */
static const struct kafka_api data[] = {
	{ 0, 13, 9, false, "Produce",
	  "Xtransactional_id@3 aacks itimeout_ms"
	  " [topics Tname@-12 Itopic_id@13 [partitions pindex Rrecords ] ]",
	  "[topics Tname@-12 Itopic_id@13"
	  " [partitions pindex Eerror_code lbase_offset"
	  " llog_append_time_ms@2 llog_start_offset@5"
	  " [record_errors@8 ibatch_index Mmessage ] Merror_message@8 ] ]"
	  " ithrottle_time_ms@1" },
	{ KAFKA_FETCH, 17, 12, false, "Fetch",
	  "ireplica_id@-14 imax_wait_ms imin_bytes imax_bytes@3"
	  " bisolation_level@4 isession@7 isession_epoch@7"
	  " [topics Ttopic@-12 Itopic_id@13"
	  " [partitions ppartition icurrent_leader_epoch@9 lfetch_offset"
	  " ilast_fetched_epoch@12 llog_start_offset@5 ipartition_max_bytes"
	  " ] ] [forgotten_topics_data@7 Ttopic@-12 Itopic_id@13"
	  " *ipartitions ] srack_id@11",
	  "ithrottle_time_ms@1 Eerror_code@7 isession@7"
	  " [responses Ttopic@-12 Itopic_id@13"
	  " [partitions ppartition_index Eerror_code lhigh_watermark"
	  " llast_stable_offset@4 llog_start_offset@5"
	  " [aborted_transactions@4 lproducer_id lfirst_offset ]"
	  " ipreferred_read_replica@11 Rrecords ] ]" },
	{ 2, 10, 6, false, "ListOffsets",
	  "ireplica_id bisolation_level@2 [topics Tname"
	  " [partitions ppartition_index icurrent_leader_epoch@4 ltimestamp"
	  " imax_num_offsets@-0 ] ] itimeout_ms@10",
	  "ithrottle_time_ms@2 [topics Tname [partitions ppartition_index"
	  " Eerror_code *lold_style_offsets@-0 ltimestamp@1 loffset@1"
	  " ileader_epoch@4 ] ]" },
	{ 3, 13, 9, false, "Metadata",
	  "[topics Itopic_id@10 Tname ] oallow_auto_topic_creation@4"
	  " oinclude_cluster_authorized_operations@8-10"
	  " oinclude_topic_authorized_operations@8",
	  "ithrottle_time_ms@3 [brokers inode_id shost iport srack@1 ]"
	  " scluster_id@2 icontroller_id@1"
	  " [topics Eerror_code Tname Itopic_id@10 ois_internal@1"
	  " [partitions Eerror_code ipartition_index ileader_id"
	  " ileader_epoch@7 *ireplica_nodes *iisr_nodes *ioffline_replicas@5 ]"
	  " itopic_authorized_operations@8 ]"
	  " icluster_authorized_operations@8-10 Eerror_code@13" },
	{ 21, 2, 2, false, "DeleteRecords",
	  "[topics Tname [partitions ppartition_index loffset ] ]"
	  " itimeout_ms",
	  "ithrottle_time_ms [topics Tname [partitions ppartition_index"
	  " llow_watermark Eerror_code ] ]" },
	{ 23, 4, 4, false, "OffsetForLeaderEpoch",
	  "ireplica_id@3 [topics Ttopic [partitions ppartition"
	  " icurrent_leader_epoch@2 ileader_epoch ] ]",
	  "ithrottle_time_ms@2 [topics Ttopic [partitions Eerror_code"
	  " ppartition ileader_epoch@1 lend_offset ] ]" },
	{ 59, 1, 0, false, "FetchSnapshot", NULL, NULL },
};

/* Groups. */
static const struct kafka_api groups[] = {
	{ 8, 10, 8, false, "OffsetCommit",
	  "Ggroup_id igeneration_id@1 smember_id@1 sgroup_instance_id@7"
	  " lretention_time_ms@2-4 [topics Tname@-9 Itopic_id@10"
	  " [partitions ppartition_index lcommitted_offset"
	  " icommitted_leader_epoch@6 lcommit_timestamp@1-1"
	  " scommitted_metadata ] ]",
	  "ithrottle_time_ms@3 [topics Tname@-9 Itopic_id@10"
	  " [partitions ppartition_index Eerror_code ] ]" },
	{ 9, 10, 6, false, "OffsetFetch",
	  "Ggroup_id@-7 [topics@-7 Tname *ipartition_indexes ]"
	  " [groups@8 Ggroup_id smember_id@9 imember_epoch@9"
	  " [topics Tname@-9 Itopic_id@10 *ipartition_indexes ] ]"
	  " orequire_stable@7",
	  "ithrottle_time_ms@3 [topics@-7 Tname [partitions ppartition_index"
	  " lcommitted_offset icommitted_leader_epoch@5 smetadata"
	  " Eerror_code ] ] Eerror_code@2-7 [groups@8 Ggroup_id"
	  " [topics Tname@-9 Itopic_id@10 [partitions ppartition_index"
	  " lcommitted_offset icommitted_leader_epoch smetadata"
	  " Eerror_code ] ] Eerror_code ]" },
	{ 10, 6, 3, false, "FindCoordinator",
	  "Gkey@-3 bkey_type@1 *Gcoordinator_keys@4",
	  "ithrottle_time_ms@1 Eerror_code@-3 Merror_message@1-3"
	  " inode_id@-3 shost@-3 iport@-3 [coordinators@4 skey inode_id"
	  " shost iport Eerror_code Merror_message ]" },
	{ 11, 9, 6, false, "JoinGroup",
	  "Ggroup_id isession_timeout_ms irebalance_timeout_ms@1 smember_id"
	  " sgroup_instance_id@5 sprotocol_type [protocols sname ymetadata ]"
	  " sreason@8",
	  "ithrottle_time_ms@2 Eerror_code igeneration_id sprotocol_type@7"
	  " sprotocol_name sleader oskip_assignment@9 smember_id"
	  " [members smember_id sgroup_instance_id@5 ymetadata ]" },
	{ 12, 4, 4, false, "Heartbeat",
	  "Ggroup_id igeneration_id smember_id sgroup_instance_id@3",
	  "ithrottle_time_ms@1 Eerror_code" },
	{ 13, 5, 4, false, "LeaveGroup",
	  "Ggroup_id smember_id@-2 [members@3 smember_id"
	  " sgroup_instance_id sreason@5 ]",
	  "ithrottle_time_ms@1 Eerror_code [members@3 smember_id"
	  " sgroup_instance_id Eerror_code ]" },
	{ 14, 5, 4, false, "SyncGroup",
	  "Ggroup_id igeneration_id smember_id sgroup_instance_id@3"
	  " sprotocol_type@5 sprotocol_name@5 [assignments smember_id"
	  " yassignment ]",
	  "ithrottle_time_ms@1 Eerror_code sprotocol_type@5 sprotocol_name@5"
	  " yassignment" },
	{ 15, 6, 5, false, "DescribeGroups",
	  "*Ggroups oinclude_authorized_operations@3",
	  "ithrottle_time_ms@1 [groups Eerror_code Merror_message@6 Ggroup_id"
	  " sgroup_state sprotocol_type sprotocol_data [members smember_id"
	  " sgroup_instance_id@4 sclient_id sclient_host ymember_metadata"
	  " ymember_assignment ] iauthorized_operations@3 ]" },
	{ 16, 5, 3, false, "ListGroups",
	  "*sstates_filter@4 *stypes_filter@5",
	  "ithrottle_time_ms@1 Eerror_code [groups sgroup_id sprotocol_type"
	  " sgroup_state@4 sgroup_type@5 ]" },
	{ 42, 2, 2, false, "DeleteGroups",
	  "*Ggroups_names",
	  "ithrottle_time_ms [results Ggroup_id Eerror_code ]" },
	{ 47, 0, NEVER, false, "OffsetDelete",
	  "Ggroup_id [topics Tname [partitions ppartition_index ] ]",
	  "Eerror_code ithrottle_time_ms [topics Tname"
	  " [partitions ppartition_index Eerror_code ] ]" },
	{ 68, 1, 0, false, "ConsumerGroupHeartbeat",
	  "Ggroup_id smember_id imember_epoch sinstance_id srack_id"
	  " irebalance_timeout_ms *ssubscribed_topic_names"
	  " ssubscribed_topic_regex@1 sserver_assignor"
	  " [topic_partitions Itopic_id *ipartitions ]",
	  "ithrottle_time_ms Eerror_code Merror_message smember_id"
	  " imember_epoch iheartbeat_interval_ms" },
	{ 69, 1, 0, false, "ConsumerGroupDescribe",
	  "*Ggroup_ids oinclude_authorized_operations", NULL },
	{ 76, 1, 0, false, "ShareGroupHeartbeat", NULL, NULL },
	{ 77, 1, 0, false, "ShareGroupDescribe", NULL, NULL },
	{ 78, 1, 0, false, "ShareFetch", NULL, NULL },
	{ 79, 1, 0, false, "ShareAcknowledge", NULL, NULL },
};

/* Transactions. */
static const struct kafka_api transactions[] = {
	{ 22, 5, 2, false, "InitProducerId",
	  "Xtransactional_id itransaction_timeout_ms lproducer_id@3"
	  " hproducer_epoch@3",
	  "ithrottle_time_ms Eerror_code lproducer_id hproducer_epoch" },
	{ 24, 5, 3, false, "AddPartitionsToTxn",
	  "[transactions@4 Xtransactional_id lproducer_id hproducer_epoch"
	  " overify_only [topics Tname *ipartitions ] ]"
	  " Xtransactional_id@-3 lproducer_id@-3 hproducer_epoch@-3"
	  " [topics@-3 Tname *ipartitions ]",
	  "ithrottle_time_ms Eerror_code@4 [results_by_transaction@4"
	  " Xtransactional_id [topic_results Tname [partitions"
	  " ppartition_index Eerror_code ] ] ] [results@-3 Tname"
	  " [partitions ppartition_index Eerror_code ] ]" },
	{ 25, 4, 3, false, "AddOffsetsToTxn",
	  "Xtransactional_id lproducer_id hproducer_epoch Ggroup_id",
	  "ithrottle_time_ms Eerror_code" },
	{ 26, 5, 3, false, "EndTxn",
	  "Xtransactional_id lproducer_id hproducer_epoch ocommitted",
	  "ithrottle_time_ms Eerror_code lproducer_id@5 hproducer_epoch@5" },
	{ 27, 1, 1, false, "WriteTxnMarkers",
	  "[markers lproducer_id hproducer_epoch otransaction_result"
	  " [topics Tname *ipartition_indexes ] icoordinator_epoch ]",
	  "[markers lproducer_id [topics Tname [partitions ppartition_index"
	  " Eerror_code ] ] ]" },
	{ 28, 5, 3, false, "TxnOffsetCommit",
	  "Xtransactional_id Ggroup_id lproducer_id hproducer_epoch"
	  " igeneration_id@3 smember_id@3 sgroup_instance_id@3 [topics Tname"
	  " [partitions ppartition_index lcommitted_offset"
	  " icommitted_leader_epoch@2 scommitted_metadata ] ]",
	  "ithrottle_time_ms [topics Tname [partitions ppartition_index"
	  " Eerror_code ] ]" },
	{ 61, 0, 0, false, "DescribeProducers",
	  "[topics Tname *ipartition_indexes ]",
	  "ithrottle_time_ms [topics Tname [partitions ppartition_index"
	  " Eerror_code Merror_message [active_producers lproducer_id"
	  " iproducer_epoch ilast_sequence llast_timestamp"
	  " icoordinator_epoch lcurrent_txn_start_offset ] ] ]" },
	{ 65, 0, 0, false, "DescribeTransactions",
	  "*Xtransactional_ids",
	  "ithrottle_time_ms [transaction_states Eerror_code"
	  " Xtransactional_id stransaction_state itransaction_timeout_ms"
	  " ltransaction_start_time_ms lproducer_id hproducer_epoch"
	  " [topics Ttopic *ipartitions ] ]" },
	{ 66, 1, 0, false, "ListTransactions",
	  "*sstate_filters *lproducer_id_filters lduration_filter@1",
	  "ithrottle_time_ms Eerror_code *sunknown_state_filters"
	  " [transaction_states Xtransactional_id lproducer_id"
	  " stransaction_state ]" },
	{ 67, 0, 0, false, "AllocateProducerIds", NULL, NULL },
};

/* Connections and their users. */
static const struct kafka_api sessions[] = {
	{ KAFKA_SASL_HANDSHAKE, 1, NEVER, false, "SaslHandshake",
	  "Nmechanism", "Eerror_code *smechanisms" },
	{ KAFKA_API_VERSIONS, 4, 3, false, "ApiVersions",
	  "sclient_software_name@3 sclient_software_version@3",
	  "Eerror_code [api_keys hapi hmin_version hmax_version ]"
	  " ithrottle_time_ms@1" },
	{ KAFKA_SASL_AUTHENTICATE, 2, 2, false, "SaslAuthenticate",
	  "Kauth_bytes",
	  "Eerror_code Merror_message Kauth_bytes lsession_lifetime_ms@1" },
	{ 38, 3, 2, true, "CreateDelegationToken", NULL, NULL },
	{ 39, 2, 2, true, "RenewDelegationToken", NULL, NULL },
	{ 40, 2, 2, true, "ExpireDelegationToken", NULL, NULL },
	{ 41, 3, 2, true, "DescribeDelegationToken", NULL, NULL },
	{ 50, 0, 0, true, "DescribeUserScramCredentials", NULL, NULL },
	{ 51, 0, 0, true, "AlterUserScramCredentials", NULL, NULL },
	{ 58, 0, 0, true, "Envelope", NULL, NULL },
	{ 71, 0, 0, false, "GetTelemetrySubscriptions",
	  "gclient_instance_id",
	  "ithrottle_time_ms Eerror_code gclient_instance_id"
	  " isubscription_id" },
	{ 72, 0, 0, false, "PushTelemetry",
	  "gclient_instance_id isubscription_id oterminating"
	  " bcompression_type",
	  "ithrottle_time_ms Eerror_code" },
};

/* Administration. */
static const struct kafka_api administration[] = {
	{ 19, 7, 5, false, "CreateTopics",
	  "[topics Tname inum_partitions hreplication_factor"
	  " [assignments ipartition_index *ibroker_ids ]"
	  " [configs sname Qvalue ] ] itimeout_ms ovalidate_only@1",
	  "ithrottle_time_ms@2 [topics Tname Itopic_id@7 Eerror_code"
	  " Merror_message@1 inum_partitions@5 hreplication_factor@5"
	  " [configs@5 sname Qvalue oread_only bconfig_source"
	  " ois_sensitive ] ]" },
	{ 20, 6, 4, false, "DeleteTopics",
	  "[topics@6 Tname Itopic_id ] *Ttopic_names@-5 itimeout_ms",
	  "ithrottle_time_ms@1 [responses Tname Itopic_id@6 Eerror_code"
	  " Merror_message@5 ]" },
	{ 29, 3, 2, false, "DescribeAcls",
	  "bresource_type_filter Nresource_name_filter"
	  " bpattern_type_filter@1 sprincipal_filter shost_filter boperation"
	  " bpermission_type",
	  "ithrottle_time_ms Eerror_code Merror_message [resources"
	  " bresource_type sresource_name bpattern_type@1 [acls sprincipal"
	  " shost boperation bpermission_type ] ]" },
	{ 30, 3, 2, false, "CreateAcls",
	  "[creations bresource_type Nresource_name bresource_pattern_type@1"
	  " sprincipal shost boperation bpermission_type ]",
	  "ithrottle_time_ms [results Eerror_code Merror_message ]" },
	{ 31, 3, 2, false, "DeleteAcls",
	  "[filters bresource_type_filter Nresource_name_filter"
	  " bpattern_type_filter@1 sprincipal_filter shost_filter boperation"
	  " bpermission_type ]",
	  "ithrottle_time_ms [filter_results Eerror_code Merror_message"
	  " [matching_acls Eerror_code Merror_message bresource_type"
	  " sresource_name bpattern_type@1 sprincipal shost boperation"
	  " bpermission_type ] ]" },
	{ 32, 4, 4, false, "DescribeConfigs",
	  "[resources bresource_type Nresource_name *sconfiguration_keys ]"
	  " oinclude_synonyms@1 oinclude_documentation@3",
	  "ithrottle_time_ms [results Eerror_code Merror_message"
	  " bresource_type sresource_name [configs sname Qvalue oread_only"
	  " ois_default@-0 bconfig_source@1 ois_sensitive [synonyms@1 sname"
	  " Qvalue bsource ] bconfig_type@3 sdocumentation@3 ] ]" },
	{ 33, 2, 2, false, "AlterConfigs",
	  "[resources bresource_type Nresource_name"
	  " [configs sname Qvalue ] ] ovalidate_only",
	  "ithrottle_time_ms [responses Eerror_code Merror_message"
	  " bresource_type sresource_name ]" },
	{ 34, 2, 2, false, "AlterReplicaLogDirs", NULL, NULL },
	{ 35, 4, 2, false, "DescribeLogDirs", NULL, NULL },
	{ 37, 3, 2, false, "CreatePartitions",
	  "[topics Tname icount [assignments *ibroker_ids ] ] itimeout_ms"
	  " ovalidate_only",
	  "ithrottle_time_ms [results Tname Eerror_code Merror_message ]" },
	{ 43, 2, 2, false, "ElectLeaders", NULL, NULL },
	{ 44, 1, 1, false, "IncrementalAlterConfigs",
	  "[resources bresource_type Nresource_name [configs sname"
	  " bconfig_operation Qvalue ] ] ovalidate_only",
	  "ithrottle_time_ms [responses Eerror_code Merror_message"
	  " bresource_type sresource_name ]" },
	{ 45, 1, 0, false, "AlterPartitionReassignments", NULL, NULL },
	{ 46, 0, 0, false, "ListPartitionReassignments", NULL, NULL },
	{ 48, 1, 1, false, "DescribeClientQuotas", NULL, NULL },
	{ 49, 1, 1, false, "AlterClientQuotas", NULL, NULL },
	{ 57, 2, 0, false, "UpdateFeatures", NULL, NULL },
	{ 60, 2, 0, false, "DescribeCluster",
	  "oinclude_cluster_authorized_operations bendpoint_type@1"
	  " oinclude_fenced_brokers@2",
	  "ithrottle_time_ms Eerror_code Merror_message bendpoint_type@1"
	  " scluster_id icontroller_id [brokers ibroker_id shost iport srack"
	  " ois_fenced@2 ] icluster_authorized_operations" },
	{ 64, 0, 0, false, "UnregisterBroker", NULL, NULL },
	{ 74, 1, 0, false, "ListConfigResources", NULL, NULL },
	{ 75, 0, 0, false, "DescribeTopicPartitions",
	  "[topics Tname ] iresponse_partition_limit",
	  "ithrottle_time_ms [topics Eerror_code Tname Itopic_id ois_internal"
	  " [partitions Eerror_code ipartition_index ileader_id"
	  " ileader_epoch *ireplica_nodes *iisr_nodes"
	  " *ieligible_leader_replicas *ilast_known_elr *ioffline_replicas ]"
	  " itopic_authorized_operations ]" },
};

/* Among brokers and controllers. */
static const struct kafka_api brokers[] = {
	{ 4, 7, 4, false, "LeaderAndIsr", NULL, NULL },
	{ 5, 4, 2, false, "StopReplica", NULL, NULL },
	{ 6, 8, 6, false, "UpdateMetadata", NULL, NULL },
	{ 7, 3, 3, false, "ControlledShutdown", NULL, NULL },
	{ 52, 2, 0, false, "Vote", NULL, NULL },
	{ 53, 1, 1, false, "BeginQuorumEpoch", NULL, NULL },
	{ 54, 1, 1, false, "EndQuorumEpoch", NULL, NULL },
	{ 55, 2, 0, false, "DescribeQuorum", NULL, NULL },
	{ 56, 3, 0, false, "AlterPartition", NULL, NULL },
	{ 62, 4, 0, false, "BrokerRegistration", NULL, NULL },
	{ 63, 1, 0, false, "BrokerHeartbeat", NULL, NULL },
	{ 70, 0, 0, false, "ControllerRegistration", NULL, NULL },
	{ 73, 0, 0, false, "AssignReplicasToDirs", NULL, NULL },
	{ 80, 0, 0, false, "AddRaftVoter", NULL, NULL },
	{ 81, 0, 0, false, "RemoveRaftVoter", NULL, NULL },
	{ 82, 0, 0, false, "UpdateRaftVoter", NULL, NULL },
};

#define LIST(name) { name, sizeof(name) / sizeof(*(name)) }

const struct kafka_api *
kafka_api_find(int key)
{
	static const struct {
		const struct kafka_api *apis;
		size_t count;
	} lists[] = {
		LIST(data),	LIST(groups),	      LIST(transactions),
		LIST(sessions), LIST(administration), LIST(brokers),
	};

	for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++)
		for (size_t j = 0; j < lists[i].count; j++)
			if (lists[i].apis[j].key == key)
				return &lists[i].apis[j];
	return NULL;
}

/* From code 1 on. */
static const char *const errors[] = {
	"OFFSET_OUT_OF_RANGE", "CORRUPT_MESSAGE", "UNKNOWN_TOPIC_OR_PARTITION",
	"INVALID_FETCH_SIZE", "LEADER_NOT_AVAILABLE", "NOT_LEADER_OR_FOLLOWER",
	"REQUEST_TIMED_OUT", "BROKER_NOT_AVAILABLE", "REPLICA_NOT_AVAILABLE",
	"MESSAGE_TOO_LARGE", "STALE_CONTROLLER_EPOCH",
	"OFFSET_METADATA_TOO_LARGE", "NETWORK_EXCEPTION",
	"COORDINATOR_LOAD_IN_PROGRESS", "COORDINATOR_NOT_AVAILABLE",
	"NOT_COORDINATOR", "INVALID_TOPIC_EXCEPTION", "RECORD_LIST_TOO_LARGE",
	"NOT_ENOUGH_REPLICAS", "NOT_ENOUGH_REPLICAS_AFTER_APPEND",
	"INVALID_REQUIRED_ACKS", "ILLEGAL_GENERATION",
	"INCONSISTENT_GROUP_PROTOCOL", "INVALID_GROUP_ID", "UNKNOWN_MEMBER_ID",
	"INVALID_SESSION_TIMEOUT", "REBALANCE_IN_PROGRESS",
	"INVALID_COMMIT_OFFSET_SIZE", "TOPIC_AUTHORIZATION_FAILED",
	"GROUP_AUTHORIZATION_FAILED", "CLUSTER_AUTHORIZATION_FAILED",
	"INVALID_TIMESTAMP", "UNSUPPORTED_SASL_MECHANISM",
	"ILLEGAL_SASL_STATE", "UNSUPPORTED_VERSION", "TOPIC_ALREADY_EXISTS",
	"INVALID_PARTITIONS", "INVALID_REPLICATION_FACTOR",
	"INVALID_REPLICA_ASSIGNMENT", "INVALID_CONFIG", "NOT_CONTROLLER",
	"INVALID_REQUEST", "UNSUPPORTED_FOR_MESSAGE_FORMAT",
	"POLICY_VIOLATION", "OUT_OF_ORDER_SEQUENCE_NUMBER",
	"DUPLICATE_SEQUENCE_NUMBER", "INVALID_PRODUCER_EPOCH",
	"INVALID_TXN_STATE", "INVALID_PRODUCER_ID_MAPPING",
	"INVALID_TRANSACTION_TIMEOUT", "CONCURRENT_TRANSACTIONS",
	"TRANSACTION_COORDINATOR_FENCED",
	"TRANSACTIONAL_ID_AUTHORIZATION_FAILED", "SECURITY_DISABLED",
	"OPERATION_NOT_ATTEMPTED", "KAFKA_STORAGE_ERROR", "LOG_DIR_NOT_FOUND",
	"SASL_AUTHENTICATION_FAILED", "UNKNOWN_PRODUCER_ID",
	"REASSIGNMENT_IN_PROGRESS", "DELEGATION_TOKEN_AUTH_DISABLED",
	"DELEGATION_TOKEN_NOT_FOUND", "DELEGATION_TOKEN_OWNER_MISMATCH",
	"DELEGATION_TOKEN_REQUEST_NOT_ALLOWED",
	"DELEGATION_TOKEN_AUTHORIZATION_FAILED", "DELEGATION_TOKEN_EXPIRED",
	"INVALID_PRINCIPAL_TYPE", "NON_EMPTY_GROUP", "GROUP_ID_NOT_FOUND",
	"FETCH_SESSION_ID_NOT_FOUND", "INVALID_FETCH_SESSION_EPOCH",
	"LISTENER_NOT_FOUND", "TOPIC_DELETION_DISABLED",
	"FENCED_LEADER_EPOCH", "UNKNOWN_LEADER_EPOCH",
	"UNSUPPORTED_COMPRESSION_TYPE", "STALE_BROKER_EPOCH",
	"OFFSET_NOT_AVAILABLE", "MEMBER_ID_REQUIRED",
	"PREFERRED_LEADER_NOT_AVAILABLE", "GROUP_MAX_SIZE_REACHED",
	"FENCED_INSTANCE_ID", "ELIGIBLE_LEADERS_NOT_AVAILABLE",
	"ELECTION_NOT_NEEDED", "NO_REASSIGNMENT_IN_PROGRESS",
	"GROUP_SUBSCRIBED_TO_TOPIC", "INVALID_RECORD",
	"UNSTABLE_OFFSET_COMMIT", "THROTTLING_QUOTA_EXCEEDED",
	"PRODUCER_FENCED", "RESOURCE_NOT_FOUND", "DUPLICATE_RESOURCE",
	"UNACCEPTABLE_CREDENTIAL", "INCONSISTENT_VOTER_SET",
	"INVALID_UPDATE_VERSION", "FEATURE_UPDATE_FAILED",
	"PRINCIPAL_DESERIALIZATION_FAILURE", "SNAPSHOT_NOT_FOUND",
	"POSITION_OUT_OF_RANGE", "UNKNOWN_TOPIC_ID",
	"DUPLICATE_BROKER_REGISTRATION", "BROKER_ID_NOT_REGISTERED",
	"INCONSISTENT_TOPIC_ID", "INCONSISTENT_CLUSTER_ID",
	"TRANSACTIONAL_ID_NOT_FOUND", "FETCH_SESSION_TOPIC_ID_ERROR",
	"INELIGIBLE_REPLICA", "NEW_LEADER_ELECTED", "OFFSET_MOVED_TO_TIERED_STORAGE",
	"FENCED_MEMBER_EPOCH", "UNRELEASED_INSTANCE_ID",
	"UNSUPPORTED_ASSIGNOR", "STALE_MEMBER_EPOCH",
	"MISMATCHED_ENDPOINT_TYPE", "UNSUPPORTED_ENDPOINT_TYPE",
	"UNKNOWN_CONTROLLER_ID", "UNKNOWN_SUBSCRIPTION_ID",
	"TELEMETRY_TOO_LARGE", "INVALID_REGISTRATION",
	"TRANSACTION_ABORTABLE", "INVALID_RECORD_STATE",
	"SHARE_SESSION_NOT_FOUND", "INVALID_SHARE_SESSION_EPOCH",
	"FENCED_STATE_EPOCH", "INVALID_VOTER_KEY", "DUPLICATE_VOTER",
	"VOTER_NOT_FOUND",
};

const char *
kafka_error_name(int code)
{
	if (code == 0)
		return "NONE";
	if (code == -1)
		return "UNKNOWN_SERVER_ERROR";
	if (code < 1 || (size_t)code > sizeof(errors) / sizeof(*errors))
		return NULL;
	return errors[code - 1];
}
