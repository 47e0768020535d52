// What the parser reads PTX's text with.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "ptx.h"

namespace ptx {

// Of the file's or a kernel's shared memory.
struct Shared {
  int64_t align = 1, bytes = 0;
  bool dynamic = false;
};

std::string without_comments(const std::string& text);
bool word_character(char c);
std::string trimmed(const std::string& text);
// At a character that stands outside all brackets.
std::vector<std::string> split(const std::string& text, char at);
// ".shared .align 4 .b8 name[16]": what follows a word, as a number.
int64_t number_after(const std::string& text, const char* word, int64_t otherwise);
// A variable's declaration.
std::pair<std::string, Shared> shared_variable(const std::string& statement);

}  // namespace ptx
