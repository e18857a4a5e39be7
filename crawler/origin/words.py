"""Vocabulary of the stand-in's works: tags, titles, names and text, all made up here."""

from __future__ import annotations

TAGS: tuple[tuple[str, str, str], ...] = (
    ("オリジナル", "orijinaru", "original"),
    ("風景", "fuukei", "landscape"),
    ("女の子", "onnnanoko", "girl"),
    ("男の子", "otokonoko", "boy"),
    ("空", "sora", "sky"),
    ("海", "umi", "sea"),
    ("猫", "neko", "cat"),
    ("夜", "yoru", "night"),
    ("夕焼け", "yuuyake", "sunset"),
    ("落書き", "rakugaki", "doodle"),
    ("線画", "sennga", "line art"),
    ("背景", "haikei", "background"),
    ("花", "hana", "flower"),
    ("ファンタジー", "fantaji-", "fantasy"),
    ("ロボット", "robotto", "robot"),
    ("眼鏡", "megane", ""),
    ("創作", "sousaku", "original character"),
    ("厚塗り", "atsunuri", "thick paint"),
    ("東方", "touhou", "Touhou"),
    ("4コマ", "4koma", "4-panel comic"),
    ("仕事絵", "", ""),
    ("なにこれ素敵", "", "what is this, lovely"),
    ("SF", "", "science fiction"),
    ("watercolor", "", ""),
    ("C&C <3", "", ""),
)
"""(tag, romaji, English); empty where the site has none."""

POPULAR = ("100users入り", "500users入り", "1000users入り", "5000users入り", "10000users入り")

TITLES = (
    "夏の終わり",
    "らくがきまとめ",
    "Blue hour",
    "無題",
    "星をみるひと",
    "猫と窓",
    "ログ2",
    "Study #14",
    "おかえり",
    "雨のあと",
    "☆★☆",
    "(´・ω・`)",
    "Wind & Rain",
    '"quoted"',
    "100% </title>",
    "𠮷野家 😀",
    "e\u0301tude",
    "日本語とEnglishと한국어",
    "a/b\\c:d*e?",
    "",
)

HOSTILE_TITLES = (
    "\x1b[31mred\x1b[0m",
    "\x1b]0;owned\x07title",
    "bell\x07 back\x08space",
    "two\nlines\r\nand a tab\t.",
    "\u202egnp.exe",
    "nul\x00byte",
    "\x9b2Jc1",
    "../../../../etc/passwd",
    "=cmd|' /C calc'!A0",
    "\u200bzero\u200bwidth\ufeff",
)
"""Titles that harm a terminal, a path or a spreadsheet when shown as they are."""

NAMES = ("しろねこ", "mizu", "カラス", "青", "Aki@お仕事募集中", "t0m0", "<b>bold</b>", "夜子", "north", "ねむい。")

SENTENCES = (
    "久しぶりに描きました。",
    "Just a quick sketch.",
    "見てくれてありがとうございます！",
    "Prints &amp; stickers soon&#44; I promise &lt;3",
    "線画→塗り",
    "<strong>お仕事募集中</strong>",
    '<span style="color:#0096db;">つづく</span>',
    "色塗りました。",
)
