// SPDX-License-Identifier: MIT
#include "model/checker/fibre.hpp"

#include <cstdint>
#include <new>

#include <sys/mman.h>

namespace model::engine {

fibre::fibre(void (*loop)(void*), void* argument) : loop_(loop), argument_(argument) {
  stack_ = ::mmap(nullptr, stack_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (stack_ == MAP_FAILED) throw std::bad_alloc();
}

fibre::~fibre() {
  ::munmap(stack_, stack_bytes);
}

void fibre::entry(unsigned low, unsigned high) {
  const auto bits = static_cast<std::uintptr_t>(low) | (static_cast<std::uintptr_t>(high) << 32);
  auto* self = reinterpret_cast<fibre*>(bits);
  self->loop_(self->argument_);
}

void fibre::go() {
  if (begun_) ::_longjmp(at_, 1);
  begun_ = true;
  ::getcontext(&start_);
  start_.uc_stack.ss_sp = stack_;
  start_.uc_stack.ss_size = stack_bytes;
  start_.uc_link = nullptr;
  const auto bits = reinterpret_cast<std::uintptr_t>(this);
  // makecontext passes ints: the pointer goes in two.
  ::makecontext(&start_, reinterpret_cast<void (*)()>(&entry), 2, static_cast<unsigned>(bits),
                static_cast<unsigned>(bits >> 32));
  ::setcontext(&start_);
}

void fibre::enter(std::jmp_buf& from) {
  if (::_setjmp(from) == 0) go();
}

void fibre::leave(std::jmp_buf& to) {
  if (::_setjmp(at_) == 0) ::_longjmp(to, 1);
}

void fibre::pass(fibre& to) {
  if (::_setjmp(at_) == 0) to.go();
}

}  // namespace model::engine
