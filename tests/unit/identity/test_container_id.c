/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Paths as the runtimes make them, after their own documentation and sources:
 * docker (cgroupfs and systemd drivers), containerd's CRI plugin (both forms of
 * its systemd driver, and cgroupfs), CRI-O, Podman (rootful, rootless), nerdctl,
 * kubelet (both drivers, static pods, kind's nested ones), ECS, LXC.
 */
#include "capture/identity/container_id.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define ID "8b8a4cd1b7d66b1c3a4cd7ee7b1c8e3d2f9a0b1c2d3e4f5061728394a5b6c7d8"
#define OUTER "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define UID "3d3c9b5e-6b7f-4f0e-9a3c-1c2d3e4f5a6b"
#define UID_ "3d3c9b5e_6b7f_4f0e_9a3c_1c2d3e4f5a6b"
#define HASH "a1b2c3d4e5f60718293a4b5c6d7e8f90"

struct sample {
	const char *path, *id, *runtime, *pod_uid;
};

static const struct sample samples[] = {
	{ "/docker/" ID, ID, "docker", "" },
	{ "/system.slice/docker-" ID ".scope", ID, "docker", "" },
	{ "/system.slice/docker-" ID ".scope/init.scope", ID, "docker", "" },
	{ "/user.slice/user-1000.slice/user@1000.service/user.slice/docker-" ID
	  ".scope", ID, "docker", "" },
	{ "/kubepods/burstable/pod" UID "/" ID, ID, "", UID },
	{ "/kubepods/pod" UID "/" ID, ID, "", UID },
	{ "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" UID_
	  ".slice/docker-" ID ".scope", ID, "docker", UID },
	{ "/kubepods.slice/kubepods-pod" UID_ ".slice/cri-containerd-" ID
	  ".scope", ID, "containerd", UID },
	{ "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod"
	  UID_ ".slice/crio-" ID ".scope", ID, "cri-o", UID },
	{ "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod"
	  UID_ ".slice/crio-" ID ".scope/container", ID, "cri-o", UID },
	{ "/system.slice/containerd.service/kubepods-burstable-pod" UID_
	  ".slice:cri-containerd:" ID, ID, "containerd", UID },
	{ "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" HASH
	  ".slice/cri-containerd-" ID ".scope", ID, "containerd", HASH },
	{ "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable"
	  ".slice/kubelet-kubepods-burstable-pod" UID_
	  ".slice/cri-containerd-" ID ".scope", ID, "containerd", UID },
	{ "/docker/" OUTER "/kubelet/kubepods/besteffort/pod" UID "/" ID, ID,
	  "", UID },
	{ "/machine.slice/libpod-" ID ".scope", ID, "podman", "" },
	{ "/machine.slice/libpod-" ID ".scope/container", ID, "podman", "" },
	{ "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" ID
	  ".scope/container", ID, "podman", "" },
	{ "/system.slice/nerdctl-" ID ".scope", ID, "containerd", "" },
	{ "/ecs/" HASH "/" ID, ID, "", "" },
	{ "/ecs/" HASH "/" HASH "-1234567890", HASH "-1234567890", "", "" },
	{ "/lxc.payload.web/system.slice/nginx.service", "web", "lxc", "" },
	/* A process of the pod's own cgroup, outside of any container. */
	{ "/kubepods/besteffort/pod" UID, "", "", UID },
};

static const char *const others[] = {
	"",
	"/",
	"/system.slice/nginx.service",
	"/user.slice/user-0.slice/session-1.scope",
	"/system.slice/docker.service",
	"/system.slice/containerd.service",
	/* The runtime's monitor is not in the container. */
	"/machine.slice/libpod-conmon-" ID ".scope",
	"/kubepods.slice/crio-conmon-" ID ".scope",
	"/system.slice/docker-tooshort.scope",
	"/podcast/server",
	"/kubepods/burstable/podnotauid",
	"/system.slice/podman.service",
	"//",
};

static void
test_samples(void **state)
{
	struct container_id found;

	(void)state;
	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		const struct sample *s = &samples[i];

		assert_true(container_id_parse(bytes_of(s->path), &found));
		if (!bytes_equal(found.id, bytes_of(s->id)))
			fail_msg("%s: id \"%.*s\"", s->path,
				 (int)found.id.size,
				 (const char *)found.id.data);
		assert_string_equal(found.runtime, s->runtime);
		assert_string_equal(found.pod_uid, s->pod_uid);
	}
}

static void
test_others(void **state)
{
	struct container_id found;

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (container_id_parse(bytes_of(others[i]), &found))
			fail_msg("%s is taken for a container", others[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_samples),
		cmocka_unit_test(test_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
