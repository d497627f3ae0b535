# SPDX-License-Identifier: MIT
# Fails unless the program that README.md shows is samples/hello.cpp, which the tests compile and run.
# cmake -P cmake/check_readme.cmake, from anywhere.

set(root "${CMAKE_CURRENT_LIST_DIR}/..")
file(READ "${root}/README.md" readme)
file(READ "${root}/samples/hello.cpp" sample)
string(FIND "${sample}" "#include" start)
string(SUBSTRING "${sample}" ${start} -1 program)
string(FIND "${readme}" "```cpp\n${program}```" found)
if(found EQUAL -1)
  message(FATAL_ERROR "README.md does not show samples/hello.cpp as it is")
endif()
