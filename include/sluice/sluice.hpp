// SPDX-License-Identifier: MIT
// All of sluice but files, descriptors, signals, std::stop_token and the test bench: those are fs/file.hpp, fs/walk.hpp,
// io/..., os/signal.hpp, stop_token.hpp and testing/bubble.hpp.
#pragma once

// Tasks and routines
#include <sluice/go.hpp>
#include <sluice/routine.hpp>
#include <sluice/task.hpp>
#include <sluice/when_all.hpp>

// Structure and cancellation
#include <sluice/boundary.hpp>
#include <sluice/context.hpp>
#include <sluice/errgroup.hpp>
#include <sluice/race.hpp>
#include <sluice/wait_group.hpp>

// Waiting
#include <sluice/blocking.hpp>
#include <sluice/chan.hpp>
#include <sluice/time.hpp>

// Errors
#include <sluice/error.hpp>
#include <sluice/result.hpp>

// The executor, and what it tells
#include <sluice/dump.hpp>
#include <sluice/leaks.hpp>
#include <sluice/on.hpp>
#include <sluice/runtime.hpp>
#include <sluice/stats.hpp>
