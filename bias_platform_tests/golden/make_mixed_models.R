# Fits the golden mixed models and writes mixed_models.json beside this file.
#   Rscript make_mixed_models.R          all cases
#   Rscript make_mixed_models.R cbpp -   one case, printed instead of written
# Needs Debian's r-cran-lme4, r-cran-glmmtmb, r-cran-emmeans and r-cran-jsonlite. `--data` also rewrites
# verbagg.csv.gz, cbpp.csv, sleepstudy.csv.gz, penicillin.csv.gz and pastes.csv.gz from lme4.
suppressPackageStartupMessages({library(glmmTMB); library(jsonlite)})
options(warn = 1)
arguments <- commandArgs(trailingOnly = TRUE)
script <- sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE))
here <- function(name) file.path(dirname(normalizePath(script)), name)

if ("--data" %in% arguments) {
  verbagg <- lme4::VerbAgg[, c("Anger", "Gender", "item", "id", "btype", "situ", "r2")]
  verbagg$r2 <- as.integer(verbagg$r2 == "Y")
  file <- gzfile(here("verbagg.csv.gz"), "w", compression = 9)
  write.csv(verbagg, file, row.names = FALSE, quote = FALSE); close(file)
  write.csv(lme4::cbpp, here("cbpp.csv"), row.names = FALSE, quote = FALSE)
  for (name in c("sleepstudy", "Penicillin", "Pastes")) {
    file <- gzfile(here(paste0(tolower(name), ".csv.gz")), "w", compression = 9)
    write.csv(getExportedValue("lme4", name), file, row.names = FALSE, quote = FALSE); close(file)
  }
}

simulated <- function(name) {
  frame <- read.csv(here(paste0(name, ".csv.gz")), stringsAsFactors = TRUE)
  if ("template" %in% names(frame)) contrasts(frame$template) <- contr.sum(nlevels(frame$template))
  frame
}
# The default optimiser stops early; a second run from its end with a tight tolerance finds the optimum.
fit <- function(formula, data) {
  control <- glmmTMBControl(rank_check = "adjust", optCtrl = list(iter.max = 5000, eval.max = 5000, rel.tol = 1e-13, x.tol = 1e-12))
  first <- glmmTMB(formula, data, family = binomial, control = control)
  parameters <- first$fit$par
  start <- list(beta = unname(parameters[names(parameters) == "beta"]),
                theta = unname(parameters[names(parameters) == "theta"]))
  again <- tryCatch(glmmTMB(formula, data, family = binomial, control = control, start = start), error = function(e) first)
  if (isTRUE(as.numeric(logLik(again)) >= as.numeric(logLik(first)))) again else first
}
summarised <- function(model, formula) {
  table <- summary(model)$coefficients$cond
  variances <- VarCorr(model)$cond
  list(formula = formula, rows = nobs(model), loglik = as.numeric(logLik(model)), df = attr(logLik(model), "df"),
       coefficients = list(name = rownames(table), estimate = unname(table[, 1]), standard_error = unname(table[, 2]),
                           p = unname(table[, 4])),
       sd = lapply(variances, function(v) as.numeric(attr(v, "stddev"))))
}
text_a <- "yes ~ persona * system + template + (1|item) + (1|item:system) + (1|item:persona) + (1|persona:template) + (1|persona:template:system)"
text_b <- "yes ~ group * system + (1|item) + (1|item:system) + (1|persona) + (1|persona:system)"
text_rare <- "yes ~ persona * system + template + (1|item) + (1|item:persona) + (1|persona:template)"
text_nested <- "yes ~ persona * system + template + (1|item) + (1|item:system) + (1|item:persona) + (1|item:persona:system)"
text_verbagg <- "r2 ~ Anger + Gender + btype + situ + (1|id) + (1|item)"
text_cbpp <- "cbind(incidence, size - incidence) ~ period + (1|herd)"

text_sleepstudy <- "Reaction ~ Days + (1|Subject)"
text_penicillin <- "diameter ~ 1 + (1|plate) + (1|sample)"
text_pastes <- "strength ~ 1 + (1|batch/cask)"
text_scores <- "margin ~ persona + template + persona:template + (1|item) + (1|item:persona) + (1|item:template)"
text_scores_wide <- "margin ~ persona + template + (1|item) + (1|item:persona) + (1|item:template) + (1|persona:template)"
# lmer stops at a few 1e-6 of a deviation; two restarts of another optimiser with a tight tolerance find the optimum.
linear <- function(formula, data, restricted) {
  control <- function() lme4::lmerControl(optimizer = "nloptwrap", calc.derivs = FALSE,
    optCtrl = list(algorithm = "NLOPT_LN_BOBYQA", xtol_abs = 1e-12, xtol_rel = 1e-12, ftol_abs = 1e-13, ftol_rel = 0, maxeval = 20000))
  model <- lme4::lmer(formula, data, REML = restricted, control = control())
  for (k in 1:2) model <- update(model, start = list(theta = lme4::getME(model, "theta")))
  model
}
# lme4 gives no standard errors of deviations; glmmTMB gives those of log sd (theta) and of log residual variance (betad).
sd_errors <- function(text, data) {
  model <- glmmTMB(as.formula(text), data)
  errors <- sqrt(diag(model$sdr$cov.fixed))
  names <- names(model$sdr$par.fixed)
  sds <- sapply(VarCorr(model)$cond, function(v) attr(v, "stddev"))
  stopifnot(abs(exp(model$sdr$par.fixed[names == "betad"] / 2) / sigma(model) - 1) < 1e-6)
  as.list(c(setNames(sds * errors[names == "theta"], sub("\\..*$", "", names(sds))),
            Residual = unname(sigma(model) * errors[names == "betad"] / 2)))
}
linear_case <- function(text, data, restricted = TRUE) {
  model <- linear(as.formula(text), data, restricted)
  table <- summary(model)$coefficients
  components <- as.data.frame(lme4::VarCorr(model))
  effects <- lme4::ranef(model)
  few <- names(effects)[which.min(sapply(effects, nrow))]
  Filter(Negate(is.null), list(formula = text, method = if (restricted) "REML" else "ML", rows = nobs(model), loglik = as.numeric(logLik(model)),
       df = attr(logLik(model), "df"),
       coefficients = list(name = rownames(table), estimate = unname(table[, 1]), standard_error = unname(table[, 2])),
       sd = setNames(as.list(components$sdcor), components$grp), sd_standard_error = if (!restricted) sd_errors(text, data),
       modes = list(term = few, level = rownames(effects[[few]]), value = effects[[few]][, 1])))
}
of_lme4 <- function(name) {
  frame <- read.csv(here(paste0(name, ".csv.gz")), stringsAsFactors = TRUE)
  if ("Subject" %in% names(frame)) frame$Subject <- factor(frame$Subject)
  frame
}
scores <- function() {
  frame <- simulated("scores")
  contrasts(frame$persona) <- contr.sum(nlevels(frame$persona))
  frame
}
score_test <- function() {
  wide <- linear(as.formula(text_scores_wide), scores(), FALSE)
  smaller <- linear(update(as.formula(text_scores_wide), . ~ . - persona), scores(), FALSE)
  list(chisq = 2 * as.numeric(logLik(wide) - logLik(smaller)), df = 4)
}
score_means <- function() {
  suppressPackageStartupMessages(library(emmeans))
  means <- emmeans(linear(as.formula(text_scores_wide), scores(), TRUE), ~ persona, lmer.df = "asymptotic")
  columns <- c("persona", "contrast", "emmean", "estimate", "SE")
  plain <- function(x) { frame <- as.data.frame(x); frame[, intersect(columns, names(frame))] }
  list(means = plain(means), versus_control = plain(contrast(means, "trt.vs.ctrl", ref = "control", adjust = "none")))
}

means_of <- function(model) {
  suppressPackageStartupMessages(library(emmeans))
  emm_options(rg.limit = 50000)
  plain <- function(x, columns) { frame <- as.data.frame(summary(x, infer = c(TRUE, TRUE), adjust = "none")); frame[, intersect(columns, names(frame))] }
  columns <- c("persona", "system", "contrast", "emmean", "prob", "response", "estimate", "SE", "p.value")
  link <- emmeans(model, ~ persona | system, df = Inf)
  response <- emmeans(regrid(ref_grid(model, df = Inf), transform = "response"), ~ persona | system)
  scale <- function(means) {
    reference <- contrast(means, "trt.vs.ctrl", ref = "control")
    list(means = plain(means, columns), versus_control = plain(reference, columns),
         pairs = plain(contrast(means, "revpairwise"), columns),
         change = plain(contrast(update(reference, by = "contrast"), "revpairwise", by = "contrast"), c("contrast", "contrast1", "estimate", "SE", "p.value")))
  }
  list(link = scale(link), conditional = scale(response),
       holm = summary(contrast(link, "trt.vs.ctrl", ref = "control"), by = NULL, adjust = "holm")$p.value)
}
cases <- list(
  cbpp = function() summarised(fit(as.formula(text_cbpp), transform(read.csv(here("cbpp.csv")), period = factor(period))), text_cbpp),
  verbagg = function() summarised(fit(as.formula(text_verbagg), read.csv(here("verbagg.csv.gz"), stringsAsFactors = TRUE)), text_verbagg),
  model_a = function() {
    frame <- simulated("model_a")
    model <- fit(as.formula(text_a), frame)
    smaller <- fit(update(as.formula(text_a), . ~ . - persona:system), frame)
    c(summarised(model, text_a), list(emmeans = means_of(model),
      interaction = list(chisq = 2 * as.numeric(logLik(model) - logLik(smaller)), df = 6)))
  },
  model_b = function() summarised(fit(as.formula(text_b), simulated("model_b")), text_b),
  nested = function() summarised(fit(as.formula(text_nested), simulated("nested")), text_nested),
  rare = function() summarised(fit(as.formula(text_rare), simulated("rare")), text_rare),
  p_adjust = function() {
    p <- c(0.001, 0.04, NA, 0.04, 0.2, 0.012, 0.0004, 0.9, 0.013, 0.03)
    methods <- c(holm = "holm", hochberg = "hochberg", bonferroni = "bonferroni", fdr_bh = "BH", fdr_by = "BY")
    list(p = p, adjusted = lapply(methods, function(method) p.adjust(p, method)))
  },
  sleepstudy = function() linear_case(text_sleepstudy, of_lme4("sleepstudy")),
  sleepstudy_ml = function() linear_case(text_sleepstudy, of_lme4("sleepstudy"), FALSE),
  penicillin = function() linear_case(text_penicillin, of_lme4("penicillin")),
  pastes = function() linear_case(text_pastes, of_lme4("pastes")),
  scores = function() linear_case(text_scores, scores()),
  scores_wide = function() c(linear_case(text_scores_wide, scores()), list(persona = score_test(), emmeans = score_means())),
  scores_wide_ml = function() linear_case(text_scores_wide, scores(), FALSE))

only <- intersect(arguments, names(cases))
results <- lapply(cases[if (length(only)) only else names(cases)], function(case) case())
results$versions <- list(R = as.character(getRversion()), glmmTMB = as.character(packageVersion("glmmTMB")),
                         lme4 = as.character(packageVersion("lme4")), emmeans = as.character(packageVersion("emmeans")))
json <- toJSON(results, digits = NA, auto_unbox = TRUE, dataframe = "columns", na = "null", pretty = TRUE)
if ("-" %in% arguments) cat(json) else writeLines(json, here("mixed_models.json"))
