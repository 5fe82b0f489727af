/* SPDX-License-Identifier: Apache-2.0 */
#include "dissect/proto/radius_attributes.h"

const struct attribute_name radius_codes[] = {
	{ 1, "Access-Request" },
	{ 2, "Access-Accept" },
	{ 3, "Access-Reject" },
	{ 4, "Accounting-Request" },
	{ 5, "Accounting-Response" },
	{ 11, "Access-Challenge" },
	{ 12, "Status-Server" },
	{ 13, "Status-Client" },
	{ 40, "Disconnect-Request" },
	{ 41, "Disconnect-ACK" },
	{ 42, "Disconnect-NAK" },
	{ 43, "CoA-Request" },
	{ 44, "CoA-ACK" },
	{ 45, "CoA-NAK" },
	{ 0, NULL }
};

const struct attribute_name radius_vendors[] = {
	{ 9, "Cisco" },
	{ 43, "3Com" },
	{ 311, "Microsoft" },
	{ 529, "Ascend" },
	{ 2011, "Huawei" },
	{ 2636, "Juniper" },
	{ 5842, "BinTec" },
	{ 8164, "Starent" },
	{ 10415, "3GPP" },
	{ 12356, "Fortinet" },
	{ 14122, "WISPr" },
	{ 14823, "Aruba" },
	{ 14988, "MikroTik" },
	{ 25053, "Ruckus" },
	{ 0, NULL }
};

static const struct attribute_name services[] = {
	{ 1, "Login" },		  { 2, "Framed" },
	{ 3, "Callback Login" },  { 4, "Callback Framed" },
	{ 5, "Outbound" },	  { 6, "Administrative" },
	{ 7, "NAS Prompt" },	  { 8, "Authenticate Only" },
	{ 9, "Callback NAS Prompt" }, { 10, "Call Check" },
	{ 11, "Callback Administrative" }, { 17, "Authorize Only" },
	{ 0, NULL }
};

static const struct attribute_name accountings[] = {
	{ 1, "Start" },		{ 2, "Stop" },
	{ 3, "Interim-Update" }, { 7, "Accounting-On" },
	{ 8, "Accounting-Off" }, { 9, "Tunnel-Start" },
	{ 10, "Tunnel-Stop" },	{ 11, "Tunnel-Reject" },
	{ 15, "Failed" },	{ 0, NULL }
};

static const struct attribute_name ports[] = {
	{ 0, "Async" },	     { 1, "Sync" },	{ 2, "ISDN Sync" },
	{ 5, "Virtual" },    { 15, "Ethernet" }, { 16, "xDSL" },
	{ 17, "Cable" },     { 19, "Wireless-802.11" }, { 0, NULL }
};

static const struct attribute_name causes[] = {
	{ 1, "User Request" },	 { 2, "Lost Carrier" },
	{ 3, "Lost Service" },	 { 4, "Idle Timeout" },
	{ 5, "Session Timeout" }, { 6, "Admin Reset" },
	{ 7, "Admin Reboot" },	 { 8, "Port Error" },
	{ 9, "NAS Error" },	 { 10, "NAS Request" },
	{ 11, "NAS Reboot" },	 { 15, "Service Unavailable" },
	{ 16, "Callback" },	 { 17, "User Error" },
	{ 18, "Host Request" },	 { 0, NULL }
};

static const struct attribute_name authentics[] = {
	{ 1, "RADIUS" }, { 2, "Local" }, { 3, "Remote" }, { 4, "Diameter" },
	{ 0, NULL }
};

static const struct attribute_name protocols[] = {
	{ 1, "PPP" }, { 2, "SLIP" }, { 7, "GPRS PDP Context" }, { 0, NULL }
};

static const struct attribute_name errors[] = {
	{ 201, "Residual Session Context Removed" },
	{ 401, "Unsupported Attribute" },
	{ 402, "Missing Attribute" },
	{ 403, "NAS Identification Mismatch" },
	{ 404, "Invalid Request" },
	{ 405, "Unsupported Service" },
	{ 501, "Administratively Prohibited" },
	{ 503, "Session Context Not Found" },
	{ 504, "Session Context Not Removable" },
	{ 506, "Resources Unavailable" },
	{ 507, "Request Initiated" },
	{ 0, NULL }
};

const struct attribute_kind radius_attributes[] = {
	{ 1, "User-Name", ATTRIBUTE_STRING, NULL },
	{ 2, "User-Password", ATTRIBUTE_SECRET, NULL },
	{ 3, "CHAP-Password", ATTRIBUTE_SECRET, NULL },
	{ 4, "NAS-IP-Address", ATTRIBUTE_ADDRESS, NULL },
	{ 5, "NAS-Port", ATTRIBUTE_NUMBER, NULL },
	{ 6, "Service-Type", ATTRIBUTE_NUMBER, services },
	{ 7, "Framed-Protocol", ATTRIBUTE_NUMBER, protocols },
	{ 8, "Framed-IP-Address", ATTRIBUTE_ADDRESS, NULL },
	{ 9, "Framed-IP-Netmask", ATTRIBUTE_ADDRESS, NULL },
	{ 10, "Framed-Routing", ATTRIBUTE_NUMBER, NULL },
	{ 11, "Filter-Id", ATTRIBUTE_STRING, NULL },
	{ 12, "Framed-MTU", ATTRIBUTE_NUMBER, NULL },
	{ 13, "Framed-Compression", ATTRIBUTE_NUMBER, NULL },
	{ 14, "Login-IP-Host", ATTRIBUTE_ADDRESS, NULL },
	{ 15, "Login-Service", ATTRIBUTE_NUMBER, NULL },
	{ 16, "Login-TCP-Port", ATTRIBUTE_NUMBER, NULL },
	{ 18, "Reply-Message", ATTRIBUTE_STRING, NULL },
	{ 19, "Callback-Number", ATTRIBUTE_STRING, NULL },
	{ 20, "Callback-Id", ATTRIBUTE_STRING, NULL },
	{ 22, "Framed-Route", ATTRIBUTE_STRING, NULL },
	{ 24, "State", ATTRIBUTE_OCTETS, NULL },
	{ 25, "Class", ATTRIBUTE_STRING, NULL },
	{ 26, "Vendor-Specific", ATTRIBUTE_GROUP, NULL },
	{ 27, "Session-Timeout", ATTRIBUTE_SECONDS, NULL },
	{ 28, "Idle-Timeout", ATTRIBUTE_SECONDS, NULL },
	{ 29, "Termination-Action", ATTRIBUTE_NUMBER, NULL },
	{ 30, "Called-Station-Id", ATTRIBUTE_STRING, NULL },
	{ 31, "Calling-Station-Id", ATTRIBUTE_STRING, NULL },
	{ 32, "NAS-Identifier", ATTRIBUTE_STRING, NULL },
	{ 33, "Proxy-State", ATTRIBUTE_OCTETS, NULL },
	{ 40, "Acct-Status-Type", ATTRIBUTE_NUMBER, accountings },
	{ 41, "Acct-Delay-Time", ATTRIBUTE_SECONDS, NULL },
	{ 42, "Acct-Input-Octets", ATTRIBUTE_NUMBER, NULL },
	{ 43, "Acct-Output-Octets", ATTRIBUTE_NUMBER, NULL },
	{ 44, "Acct-Session-Id", ATTRIBUTE_STRING, NULL },
	{ 45, "Acct-Authentic", ATTRIBUTE_NUMBER, authentics },
	{ 46, "Acct-Session-Time", ATTRIBUTE_SECONDS, NULL },
	{ 47, "Acct-Input-Packets", ATTRIBUTE_NUMBER, NULL },
	{ 48, "Acct-Output-Packets", ATTRIBUTE_NUMBER, NULL },
	{ 49, "Acct-Terminate-Cause", ATTRIBUTE_NUMBER, causes },
	{ 50, "Acct-Multi-Session-Id", ATTRIBUTE_STRING, NULL },
	{ 51, "Acct-Link-Count", ATTRIBUTE_NUMBER, NULL },
	{ 52, "Acct-Input-Gigawords", ATTRIBUTE_NUMBER, NULL },
	{ 53, "Acct-Output-Gigawords", ATTRIBUTE_NUMBER, NULL },
	{ 55, "Event-Timestamp", ATTRIBUTE_DATE, NULL },
	{ 60, "CHAP-Challenge", ATTRIBUTE_SECRET, NULL },
	{ 61, "NAS-Port-Type", ATTRIBUTE_NUMBER, ports },
	{ 62, "Port-Limit", ATTRIBUTE_NUMBER, NULL },
	{ 64, "Tunnel-Type", ATTRIBUTE_OCTETS, NULL },
	{ 65, "Tunnel-Medium-Type", ATTRIBUTE_OCTETS, NULL },
	{ 66, "Tunnel-Client-Endpoint", ATTRIBUTE_STRING, NULL },
	{ 67, "Tunnel-Server-Endpoint", ATTRIBUTE_STRING, NULL },
	{ 69, "Tunnel-Password", ATTRIBUTE_SECRET, NULL },
	{ 70, "ARAP-Password", ATTRIBUTE_SECRET, NULL },
	{ 77, "Connect-Info", ATTRIBUTE_STRING, NULL },
	{ 79, "EAP-Message", ATTRIBUTE_SECRET, NULL },
	{ 80, "Message-Authenticator", ATTRIBUTE_OCTETS, NULL },
	{ 81, "Tunnel-Private-Group-Id", ATTRIBUTE_STRING, NULL },
	{ 85, "Acct-Interim-Interval", ATTRIBUTE_SECONDS, NULL },
	{ 87, "NAS-Port-Id", ATTRIBUTE_STRING, NULL },
	{ 88, "Framed-Pool", ATTRIBUTE_STRING, NULL },
	{ 89, "CUI", ATTRIBUTE_STRING, NULL },
	{ 95, "NAS-IPv6-Address", ATTRIBUTE_ADDRESS, NULL },
	{ 96, "Framed-Interface-Id", ATTRIBUTE_OCTETS, NULL },
	{ 97, "Framed-IPv6-Prefix", ATTRIBUTE_OCTETS, NULL },
	{ 100, "Framed-IPv6-Pool", ATTRIBUTE_STRING, NULL },
	{ 101, "Error-Cause", ATTRIBUTE_NUMBER, errors },
	{ 102, "EAP-Key-Name", ATTRIBUTE_OCTETS, NULL },
	{ 168, "Framed-IPv6-Address", ATTRIBUTE_ADDRESS, NULL },
	{ 0, NULL, ATTRIBUTE_OCTETS, NULL }
};

const struct attribute_kind radius_microsoft[] = {
	{ 1, "MS-CHAP-Response", ATTRIBUTE_SECRET, NULL },
	{ 2, "MS-CHAP-Error", ATTRIBUTE_STRING, NULL },
	{ 3, "MS-CHAP-CPW-1", ATTRIBUTE_SECRET, NULL },
	{ 4, "MS-CHAP-CPW-2", ATTRIBUTE_SECRET, NULL },
	{ 5, "MS-CHAP-LM-Enc-PW", ATTRIBUTE_SECRET, NULL },
	{ 6, "MS-CHAP-NT-Enc-PW", ATTRIBUTE_SECRET, NULL },
	{ 7, "MS-MPPE-Encryption-Policy", ATTRIBUTE_NUMBER, NULL },
	{ 8, "MS-MPPE-Encryption-Types", ATTRIBUTE_NUMBER, NULL },
	{ 10, "MS-CHAP-Domain", ATTRIBUTE_STRING, NULL },
	{ 11, "MS-CHAP-Challenge", ATTRIBUTE_SECRET, NULL },
	{ 12, "MS-CHAP-MPPE-Keys", ATTRIBUTE_SECRET, NULL },
	{ 16, "MS-MPPE-Send-Key", ATTRIBUTE_SECRET, NULL },
	{ 17, "MS-MPPE-Recv-Key", ATTRIBUTE_SECRET, NULL },
	{ 25, "MS-CHAP2-Response", ATTRIBUTE_SECRET, NULL },
	{ 26, "MS-CHAP2-Success", ATTRIBUTE_SECRET, NULL },
	{ 27, "MS-CHAP2-CPW", ATTRIBUTE_SECRET, NULL },
	{ 28, "MS-Primary-DNS-Server", ATTRIBUTE_ADDRESS, NULL },
	{ 29, "MS-Secondary-DNS-Server", ATTRIBUTE_ADDRESS, NULL },
	{ 0, NULL, ATTRIBUTE_OCTETS, NULL }
};
