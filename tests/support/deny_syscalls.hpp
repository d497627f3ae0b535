// SPDX-License-Identifier: MIT
// A thread on which chosen system calls fail, as in a sandbox or on an older kernel. The filter is
// the thread's own and cannot be lifted: it goes when the thread ends.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <thread>
#include <vector>

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>

namespace sluice_test {

struct denied_call {
  long number;
  int error;  // errno that it fails with
};

/// Has the calling thread, and threads that it starts, fail the calls. Returns: whether it could.
inline bool deny_calls(std::initializer_list<denied_call> calls) {
  std::vector<sock_filter> filter;
  filter.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)));
  for (const denied_call& call : calls) {
    filter.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<unsigned>(call.number), 0, 1));
    filter.push_back(BPF_STMT(BPF_RET | BPF_K,
                              SECCOMP_RET_ERRNO | (static_cast<unsigned>(call.error) & 0xffffu)));
  }
  filter.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  const sock_fprog program{static_cast<unsigned short>(filter.size()), filter.data()};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

/// Runs `f` on a thread of its own with the calls denied. Returns: false if they could not be.
template <class F>
bool run_denied(std::initializer_list<denied_call> calls, F f) {
  bool denied = false;
  std::thread thread([&] {
    denied = deny_calls(calls);
    if (denied) f();
  });
  thread.join();
  return denied;
}

}  // namespace sluice_test
