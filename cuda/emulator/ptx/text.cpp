// PTX's words.
#include "text.h"

#include <algorithm>
#include <cctype>
#include <cstring>

namespace ptx {

bool has(const Words& words, const char* word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

int type_bytes(const std::string& type) {
  if (type.empty() || type == "pred") return 0;
  if (type.ends_with("64")) return 8;
  if (type.ends_with("32") || type == "bf16x2") return 4;
  if (type.ends_with("16")) return 2;
  return type.ends_with("8") ? 1 : 0;
}

std::string without_comments(const std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size(); i++) {
    if (text.compare(i, 2, "//") == 0) {
      while (i < text.size() && text[i] != '\n') i++;
      out += '\n';
    } else if (text.compare(i, 2, "/*") == 0) {
      i = text.find("*/", i) + 1;
    } else {
      out += text[i];
    }
  }
  return out;
}

bool word_character(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '$' || c == '%' || c == '.';
}

std::string trimmed(const std::string& text) {
  const size_t from = text.find_first_not_of(" \t\n"), to = text.find_last_not_of(" \t\n");
  return from == std::string::npos ? "" : text.substr(from, to - from + 1);
}

std::vector<std::string> split(const std::string& text, char at) {
  std::vector<std::string> parts;
  std::string part;
  int depth = 0;
  for (const char c : text) {
    depth += c == '{' || c == '[' || c == '(' ? 1 : c == '}' || c == ']' || c == ')' ? -1 : 0;
    if (c == at && depth == 0) {
      parts.push_back(trimmed(part));
      part.clear();
    } else {
      part += c;
    }
  }
  if (!trimmed(part).empty()) parts.push_back(trimmed(part));
  return parts;
}

// ".shared .align 4 .b8 name[16]": what follows a word, as a number.
int64_t number_after(const std::string& text, const char* word, int64_t otherwise) {
  const size_t at = text.find(word);
  return at == std::string::npos ? otherwise : std::stoll(text.substr(at + std::strlen(word)));
}

std::pair<std::string, Shared> shared_variable(const std::string& statement) {
  Shared shared;
  shared.align = number_after(statement, ".align", 1);
  shared.dynamic = statement.find(".extern") != std::string::npos;
  const Words words = split(statement, ' ');
  std::string name = words.back();
  const std::string& type = words[words.size() - 2];
  int64_t count = 1;
  if (const size_t bracket = name.find('['); bracket != std::string::npos) {
    count = name[bracket + 1] == ']' ? 0 : std::stoll(name.substr(bracket + 1));
    name = name.substr(0, bracket);
  }
  shared.bytes = count * type_bytes(type);
  shared.align = std::max<int64_t>(shared.align, type_bytes(type));
  return {name, shared};
}

}  // namespace ptx
