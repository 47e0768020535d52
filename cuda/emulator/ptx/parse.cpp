// PTX's text: kernels, their variables and instructions.
#include <algorithm>
#include <cctype>
#include <cstring>

#include "text.h"

namespace ptx {

namespace {

class Parser {
 public:
  Parser(std::string file, const std::string& text) : file_(std::move(file)), text_(without_comments(text)) {}

  std::vector<Kernel> kernels() {
    std::vector<Kernel> out;
    while (true) {
      skip();
      if (at_ >= text_.size()) return out;
      const size_t line_end = text_.find('\n', at_);
      const std::string line = text_.substr(at_, line_end - at_);
      if (line.starts_with(".version") || line.starts_with(".target") || line.starts_with(".address_size")) {
        at_ = line_end;
      } else if (line.find(".entry") != std::string::npos) {
        out.push_back(entry());
      } else if (line.find(".shared") != std::string::npos) {
        const size_t end = text_.find(';', at_);
        const auto [name, shared] = shared_variable(trimmed(text_.substr(at_, end - at_)));
        shared_[name] = shared;
        at_ = end + 1;
      } else {
        complain("not known outside kernels: " + line);
      }
    }
  }

 private:
  struct Scope {
    int parent;
    std::map<std::string, int> names;
    std::map<std::string, int> labels;
  };
  struct Jump {
    size_t instruction;
    int scope;
    std::string label;
  };

  std::string file_, text_;
  size_t at_ = 0;
  std::map<std::string, Shared> shared_;
  // Of the kernel that is read:
  Kernel kernel_;
  std::vector<Scope> scopes_;
  std::vector<Jump> jumps_;
  std::map<std::string, int64_t> symbols_;
  std::map<uint64_t, int> constants_;
  int scope_ = -1;

  [[noreturn]] void complain(const std::string& what) const {
    throw Failure(
        file_ + ":" +
        std::to_string(
            1 + std::count(text_.begin(),
                           text_.begin() + static_cast<std::ptrdiff_t>(std::min(at_, text_.size())), '\n')) +
        ": " + what);
  }
  void skip() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_])) != 0) at_++;
  }

  Kernel entry() {
    kernel_ = Kernel();
    scopes_.clear();
    jumps_.clear();
    symbols_.clear();
    constants_.clear();
    scope_ = -1;
    const size_t open = text_.find('(', at_), close = text_.find(')', open);
    const Words head = split(trimmed(text_.substr(at_, open - at_)), ' ');
    kernel_.name = head.back();
    for (const std::string& text : split(text_.substr(open + 1, close - open - 1), ',')) parameter(text);
    const size_t body = text_.find('{', close);
    const std::string directives = text_.substr(close + 1, body - close - 1);
    kernel_.threads = static_cast<int>(number_after(directives, ".maxntid", 0));
    at_ = body;
    size_t end = body;
    for (int depth = 0; end < text_.size(); end++) {
      depth += text_[end] == '{' ? 1 : text_[end] == '}' ? -1 : 0;
      if (depth == 0) break;
    }
    lay_out_shared(text_.substr(body, end - body));
    while (at_ <= end) {
      skip();
      if (at_ > end) break;
      statement();
    }
    for (const Jump& jump : jumps_) resolve(jump);
    return kernel_;
  }

  void parameter(const std::string& text) {
    const Words words = split(text, ' ');
    const std::string type = words.at(1).substr(1);
    const int bytes = type_bytes(type);
    if (bytes != 4 && bytes != 8) complain("a parameter of " + text);
    Parameter p;
    p.name = words.back();
    p.bytes = bytes;
    p.offset = (kernel_.parameter_bytes + bytes - 1) / bytes * bytes;
    p.letter = type[0] == 'f' ? (bytes == 4 ? 'f' : 'd') : bytes == 4 ? 'i' : 'l';
    kernel_.parameter_bytes = p.offset + bytes;
    symbols_[p.name] = p.offset;
    kernel_.parameters.push_back(p);
  }

  // The variables that the body names, one after the other, the dynamic one last.
  void lay_out_shared(const std::string& body) {
    for (const bool dynamic : {false, true}) {
      for (const auto& [name, shared] : shared_) {
        if (shared.dynamic != dynamic) continue;
        size_t found = body.find(name);
        while (found != std::string::npos &&
               (word_character(body[found - 1]) || word_character(body[found + name.size()]))) {
          found = body.find(name, found + 1);
        }
        if (found != std::string::npos) place(name, shared);
      }
    }
  }
  void place(const std::string& name, const Shared& shared) {
    kernel_.shared_bytes = (kernel_.shared_bytes + shared.align - 1) / shared.align * shared.align;
    symbols_[name] = kernel_.shared_bytes;
    kernel_.shared_bytes += shared.bytes;
  }

  void statement() {
    if (text_[at_] == '{') {
      scopes_.push_back({scope_, {}, {}});
      scope_ = static_cast<int>(scopes_.size()) - 1;
      at_++;
      return;
    }
    if (text_[at_] == '}') {
      scope_ = scopes_[static_cast<size_t>(scope_)].parent;
      at_++;
      return;
    }
    size_t end = at_;
    while (end < text_.size() && word_character(text_[end])) end++;
    if (text_[end] == ':' && text_[end + 1] != ':') {
      scopes_[static_cast<size_t>(scope_)].labels[text_.substr(at_, end - at_)] =
          static_cast<int>(kernel_.code.size());
      at_ = end + 1;
      return;
    }
    end = text_.find(';', at_);
    const std::string text = trimmed(text_.substr(at_, end - at_));
    if (text.starts_with(".")) {
      directive(text);
    } else if (!text.empty()) {
      instruction(text);
    }
    at_ = end + 1;
  }

  void directive(const std::string& text) {
    if (text.starts_with(".reg")) {
      std::string rest = trimmed(text.substr(4));
      rest = trimmed(rest.substr(rest.find_first_of(" \t")));
      for (const std::string& name : split(rest, ',')) {
        const size_t many = name.find('<');
        if (many == std::string::npos) {
          declare(name);
          continue;
        }
        const int count = std::stoi(name.substr(many + 1));
        for (int n = 0; n < count; n++) declare(name.substr(0, many) + std::to_string(n));
      }
    } else if (text.starts_with(".local")) {
      const auto [name, local] = shared_variable(text);
      kernel_.local_bytes = (kernel_.local_bytes + local.align - 1) / local.align * local.align;
      symbols_[name] = kernel_.local_bytes;
      kernel_.local_bytes += local.bytes;
    } else if (text.starts_with(".shared")) {
      const auto [name, shared] = shared_variable(text);
      place(name, shared);
    } else if (!text.starts_with(".pragma")) {
      complain("not known in kernels: " + text);
    }
  }
  void declare(const std::string& name) {
    scopes_[static_cast<size_t>(scope_)].names[name] = kernel_.registers++;
  }

  int constant(uint64_t bits) {
    const auto [at, fresh] = constants_.try_emplace(bits, kernel_.registers);
    if (fresh) kernel_.constants.push_back({kernel_.registers++, bits});
    return at->second;
  }

  // The register of an operand, which may be a number, a symbol's address or a special register.
  int operand(const std::string& text) {
    if (text == "_") return -1;
    for (int s = scope_; s >= 0; s = scopes_[static_cast<size_t>(s)].parent) {
      const auto& names = scopes_[static_cast<size_t>(s)].names;
      if (const auto found = names.find(text); found != names.end()) return found->second;
    }
    if (text[0] == '%') {
      const auto [at, fresh] = kernel_.specials.try_emplace(text, kernel_.registers);
      if (fresh) kernel_.registers++;
      return at->second;
    }
    if (const auto found = symbols_.find(text); found != symbols_.end())
      return constant(static_cast<uint64_t>(found->second));
    return constant(number(text));
  }
  uint64_t number(const std::string& text) const {
    if (text == "WARP_SZ") return LANES;
    if (text.starts_with("0f") || text.starts_with("0F") || text.starts_with("0d") || text.starts_with("0D"))
      return std::stoull(text.substr(2), nullptr, 16);
    if (text.empty() || (std::isdigit(static_cast<unsigned char>(text[0])) == 0 && text[0] != '-'))
      complain("an operand that is not known: " + text);
    return text[0] == '-' ? static_cast<uint64_t>(std::stoll(text, nullptr, 0))
                          : std::stoull(text, nullptr, 0);
  }

  void instruction(const std::string& whole) {
    kernel_.lines.push_back(whole);
    Instruction into;
    std::string text = whole;
    if (text[0] == '@') {
      const size_t end = text.find_first_of(" \t");
      into.negated = text[1] == '!';
      into.guard = operand(text.substr(into.negated ? 2 : 1, end - (into.negated ? 2 : 1)));
      text = trimmed(text.substr(end));
    }
    const size_t space = text.find_first_of(" \t");
    const Words words = split(text.substr(0, space), '.');
    const std::vector<std::string> operands =
        space == std::string::npos ? std::vector<std::string>() : split(text.substr(space), ',');
    const std::string& op = words[0];
    const bool negated_guard = into.negated;
    if (op == "bra") {
      into.flow = Flow::BRANCH;
      jumps_.push_back({kernel_.code.size(), scope_, operands.at(0)});
    } else if (op == "ret" || op == "exit") {
      into.flow = Flow::EXIT;
    } else {
      read_operands(words, operands, into);
      if (!decode_memory(words, into) && !decode_warp(words, into) && !decode_conversion(words, into) &&
          !decode_arithmetic(words, into)) {
        complain("an instruction that is not known: " + whole);
      }
    }
    into.negated = negated_guard;
    into.line = static_cast<int>(kernel_.lines.size()) - 1;
    kernel_.code.push_back(std::move(into));
  }

  void read_operands(const Words& words, const std::vector<std::string>& operands, Instruction& into) {
    const std::string& op = words[0];
    const bool none_written = op == "st" || op == "red" || op == "bar" || op == "barrier" || op == "cp" ||
                              op == "fence" || op == "membar" || (op == "mbarrier" && words[1] == "init") ||
                              (op == "wgmma" && words[1] != "mma_async");
    bool addressed = false;
    for (size_t n = 0; n < operands.size(); n++) {
      const bool written = n == 0 && !none_written;
      std::string text = operands[n];
      if (text[0] == '[') {
        const auto [base, offset] = address(text.substr(1, text.size() - 2));
        into.s.push_back(base);
        if (addressed)
          into.k[0] = offset;
        else
          into.offset = offset;
        addressed = true;
        continue;
      }
      if (text[0] == '!') {
        into.negated = true;  // a vote's predicate
        text = text.substr(1);
        if (op != "vote") complain("a negated operand of " + op);
      }
      std::vector<std::string> parts = {text};
      if (text[0] == '{')
        parts = split(text.substr(1, text.size() - 2), ',');
      else if (written && text.find('|') != std::string::npos)
        parts = split(text, '|');
      for (const std::string& part : parts) {
        const int r = operand(part);
        if (written) into.d.push_back(r);
        if (!written || op == "wgmma") into.s.push_back(r);
      }
    }
  }
  std::pair<int, int64_t> address(const std::string& text) {
    const size_t plus = text.find('+');
    const std::string base = trimmed(text.substr(0, plus));
    const int64_t offset =
        plus == std::string::npos ? 0 : std::stoll(trimmed(text.substr(plus + 1)), nullptr, 0);
    return {operand(base), offset};
  }

  void resolve(const Jump& jump) {
    for (int s = jump.scope; s >= 0; s = scopes_[static_cast<size_t>(s)].parent) {
      const auto& labels = scopes_[static_cast<size_t>(s)].labels;
      if (const auto found = labels.find(jump.label); found != labels.end()) {
        kernel_.code[jump.instruction].target = found->second;
        return;
      }
    }
    complain("no label " + jump.label);
  }
};

}  // namespace

std::vector<Kernel> parse(const std::string& file, const std::string& text) {
  return Parser(file, text).kernels();
}

}  // namespace ptx
