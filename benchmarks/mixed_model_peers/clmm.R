# ordinal's clmm, one data set, one process: Rscript clmm.R DATA SPEC OUT, all of them files, the last two JSON.
# Measured is what happens between a data frame in memory and estimates with standard errors in hand. Needs Debian's
# r-cran-ordinal and r-cran-jsonlite.
arguments <- commandArgs(trailingOnly = TRUE)
spec <- jsonlite::fromJSON(arguments[2])
suppressPackageStartupMessages(library(ordinal))
cpu <- function() sum(proc.time()[c("user.self", "sys.self")])
frame <- read.csv(arguments[1], colClasses = "factor")
frame[[spec$outcome]] <- factor(frame[[spec$outcome]], spec$categories, ordered = TRUE)
formula <- as.formula(spec$formula)
invisible(gc())
wall <- proc.time()[["elapsed"]]; used <- cpu()
model <- clmm(formula, frame)
table <- coef(summary(model))
spent <- cpu() - used
deviations <- sapply(model$ST, function(factor) factor[1, 1])
jsonlite::write_json(
  list(loglik = as.numeric(logLik(model)), names = rownames(table), coefficients = unname(table[, 1]),
       standard_errors = unname(table[, 2]), sds = as.list(deviations), largest_gradient = max(abs(model$gradient)),
       said = as.list(model$optRes$message), cpu_s = spent, wall_s = proc.time()[["elapsed"]] - wall, again_cpu_s = list(),
       versions = list(R = paste(R.version$major, R.version$minor, sep = "."), ordinal = as.character(packageVersion("ordinal")))),
  arguments[3], auto_unbox = TRUE, digits = NA, null = "null", na = "null")
