/* SPDX-License-Identifier: Apache-2.0 */
/* Names of IANA's "Lightweight Directory Access Protocol (LDAP) Parameters". */
#include "dissect/proto/ldap_parts.h"

static const struct attribute_name results[] = {
	{ 0, "success" },
	{ 1, "operationsError" },
	{ 2, "protocolError" },
	{ 3, "timeLimitExceeded" },
	{ 4, "sizeLimitExceeded" },
	{ 5, "compareFalse" },
	{ 6, "compareTrue" },
	{ 7, "authMethodNotSupported" },
	{ 8, "strongerAuthRequired" },
	{ 10, "referral" },
	{ 11, "adminLimitExceeded" },
	{ 12, "unavailableCriticalExtension" },
	{ 13, "confidentialityRequired" },
	{ 14, "saslBindInProgress" },
	{ 16, "noSuchAttribute" },
	{ 17, "undefinedAttributeType" },
	{ 18, "inappropriateMatching" },
	{ 19, "constraintViolation" },
	{ 20, "attributeOrValueExists" },
	{ 21, "invalidAttributeSyntax" },
	{ 32, "noSuchObject" },
	{ 33, "aliasProblem" },
	{ 34, "invalidDNSyntax" },
	{ 36, "aliasDereferencingProblem" },
	{ 48, "inappropriateAuthentication" },
	{ 49, "invalidCredentials" },
	{ 50, "insufficientAccessRights" },
	{ 51, "busy" },
	{ 52, "unavailable" },
	{ 53, "unwillingToPerform" },
	{ 54, "loopDetect" },
	{ 64, "namingViolation" },
	{ 65, "objectClassViolation" },
	{ 66, "notAllowedOnNonLeaf" },
	{ 67, "notAllowedOnRDN" },
	{ 68, "entryAlreadyExists" },
	{ 69, "objectClassModsProhibited" },
	{ 71, "affectsMultipleDSAs" },
	{ 80, "other" },
	{ 113, "lcupResourcesExhausted" },
	{ 114, "lcupSecurityViolation" },
	{ 115, "lcupInvalidData" },
	{ 116, "lcupUnsupportedScheme" },
	{ 117, "lcupReloadRequired" },
	{ 118, "canceled" },
	{ 119, "noSuchOperation" },
	{ 120, "tooLate" },
	{ 121, "cannotCancel" },
	{ 122, "assertionFailed" },
	{ 123, "authorizationDenied" },
	{ 4096, "e-syncRefreshRequired" },
	{ 0, NULL }
};

static const struct {
	const char *oid, *name;
} names[] = {
	{ LDAP_START_TLS, "StartTLS" },
	{ "1.3.6.1.4.1.1466.20036", "Notice of Disconnection" },
	{ "1.3.6.1.4.1.4203.1.11.1", "Modify Password" },
	{ "1.3.6.1.4.1.4203.1.11.3", "Who am I?" },
	{ "1.3.6.1.1.8", "Cancel" },
	{ "1.3.6.1.1.12", "assertion" },
	{ "1.3.6.1.1.13.1", "pre-read" },
	{ "1.3.6.1.1.13.2", "post-read" },
	{ "1.3.6.1.1.19", "Turn" },
	{ "1.3.6.1.1.21.1", "Start Transaction" },
	{ "1.3.6.1.1.21.2", "transaction" },
	{ "1.3.6.1.1.21.3", "End Transaction" },
	{ "1.3.6.1.4.1.4203.1.9.1.1", "sync request" },
	{ "1.3.6.1.4.1.4203.1.9.1.2", "sync state" },
	{ "1.3.6.1.4.1.4203.1.9.1.3", "sync done" },
	{ "1.3.6.1.4.1.4203.1.9.1.4", "Sync Info" },
	{ "1.3.6.1.4.1.4203.1.10.1", "subentries" },
	{ "1.3.6.1.4.1.42.2.27.8.5.1", "password policy" },
	{ "1.2.840.113556.1.4.319", "paged results" },
	{ "1.2.840.113556.1.4.417", "show deleted" },
	{ "1.2.840.113556.1.4.473", "sort request" },
	{ "1.2.840.113556.1.4.474", "sort response" },
	{ "1.2.840.113556.1.4.528", "notification" },
	{ "1.2.840.113556.1.4.529", "extended DN" },
	{ "1.2.840.113556.1.4.801", "security descriptor flags" },
	{ "1.2.840.113556.1.4.805", "tree delete" },
	{ "1.2.840.113556.1.4.841", "directory sync" },
	{ "1.2.840.113556.1.4.1339", "domain scope" },
	{ "1.2.840.113556.1.4.1413", "permissive modify" },
	{ "1.2.840.113556.1.4.1781", "Fast Bind" },
	{ "2.16.840.1.113730.3.4.2", "manage DSA IT" },
	{ "2.16.840.1.113730.3.4.3", "persistent search" },
	{ "2.16.840.1.113730.3.4.9", "virtual list view request" },
	{ "2.16.840.1.113730.3.4.10", "virtual list view response" },
	{ "2.16.840.1.113730.3.4.15", "authorization identity response" },
	{ "2.16.840.1.113730.3.4.16", "authorization identity request" },
	{ "2.16.840.1.113730.3.4.18", "proxied authorization" },
};

static const struct attribute_name methods[] = {
	{ LDAP_BIND_REQUEST, "Bind" },
	{ LDAP_BIND_RESPONSE, "Bind" },
	{ LDAP_UNBIND_REQUEST, "Unbind" },
	{ LDAP_SEARCH_REQUEST, "Search" },
	{ LDAP_SEARCH_ENTRY, "Search" },
	{ LDAP_SEARCH_DONE, "Search" },
	{ LDAP_SEARCH_REFERENCE, "Search" },
	{ LDAP_MODIFY_REQUEST, "Modify" },
	{ LDAP_MODIFY_RESPONSE, "Modify" },
	{ LDAP_ADD_REQUEST, "Add" },
	{ LDAP_ADD_RESPONSE, "Add" },
	{ LDAP_DELETE_REQUEST, "Delete" },
	{ LDAP_DELETE_RESPONSE, "Delete" },
	{ LDAP_MODIFY_DN_REQUEST, "ModifyDN" },
	{ LDAP_MODIFY_DN_RESPONSE, "ModifyDN" },
	{ LDAP_COMPARE_REQUEST, "Compare" },
	{ LDAP_COMPARE_RESPONSE, "Compare" },
	{ LDAP_ABANDON_REQUEST, "Abandon" },
	{ LDAP_EXTENDED_REQUEST, "Extended" },
	{ LDAP_EXTENDED_RESPONSE, "Extended" },
	{ LDAP_INTERMEDIATE_RESPONSE, "Intermediate" },
	{ 0, NULL }
};

const char *
ldap_result_name(int64_t code)
{
	return code >= 0 && code <= UINT16_MAX
		       ? attribute_find(results, (uint32_t)code)
		       : NULL;
}

void
ldap_put_oid(struct buf *out, struct bytes oid)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (bytes_equal(oid, bytes_of(names[i].oid))) {
			buf_text(out, names[i].name);
			return;
		}
	attribute_put_text(out, bytes_first(oid, ATTRIBUTE_TEXT));
}

const char *
ldap_method(uint8_t operation)
{
	return attribute_find(methods, operation);
}

bool
ldap_is_secret(struct bytes attribute)
{
	static const char *const secrets[] = {
		"userPassword",	    "authPassword",    "unicodePwd",
		"dBCSPwd",	    "ntPwdHistory",    "lmPwdHistory",
		"sambaNTPassword",  "sambaLMPassword", "sambaPasswordHistory",
		"krbPrincipalKey",  "krbExtraData",    "pwdHistory",
		"supplementalCredentials",	       "ms-Mcs-AdmPwd",
		"olcRootPW",	    "ipaNTHash",       "nsDS5ReplicaCredentials",
	};
	const void *options = attribute.size ? memchr(attribute.data, ';',
						      attribute.size)
					     : NULL;

	if (options)
		attribute.size = (size_t)((const uint8_t *)options -
					  attribute.data);
	for (size_t i = 0; i < sizeof(secrets) / sizeof(*secrets); i++)
		if (bytes_equal_nocase(attribute, bytes_of(secrets[i])))
			return true;
	return false;
}
